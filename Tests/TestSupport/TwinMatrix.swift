/// The values of a tensor, and what the converter does to their order.
struct TwinMatrix {
    var shape: [Int]
    var values: [Float]

    init(_ tensor: TestTensor) {
        shape = tensor.shape
        values = (0..<tensor.bytes.count / 2).map { index in
            let (low, high) = (UInt32(tensor.bytes[2 * index]), UInt32(tensor.bytes[2 * index + 1]))
            return Float(bitPattern: low << 16 | high << 24)
        }
    }

    init(_ shape: [Int], _ values: [Float]) { (self.shape, self.values) = (shape, values) }

    /// One of equal parts of the rows.
    func rows(_ index: Int, of count: Int) -> TwinMatrix {
        let each = values.count / count
        return TwinMatrix(
            [shape[0] / count] + shape.dropFirst(), Array(values[index * each..<(index + 1) * each]))
    }

    /// The kernel of one of the frames: [width, channels, frames, patch, patch].
    func frame(_ index: Int) -> TwinMatrix {
        let plane = shape[3] * shape[4]
        let kernels = (0..<shape[0] * shape[1]).flatMap { kernel in
            let start = (kernel * shape[2] + index) * plane
            return values[start..<start + plane]
        }
        return TwinMatrix([shape[0], shape[1], shape[3], shape[4]], kernels)
    }

    /// Each expert's matrix transposed.
    var turned: TwinMatrix {
        let (rows, columns) = (shape[1], shape[2])
        let turned = (0..<shape[0]).flatMap { expert in
            (0..<columns).flatMap { column in
                (0..<rows).map { values[(expert * rows + $0) * columns + column] }
            }
        }
        return TwinMatrix([shape[0], columns, rows], turned)
    }

    /// One of equal parts of each expert's rows.
    func expertRows(_ index: Int, of count: Int) -> TwinMatrix {
        let rows = shape[1] / count
        let part = (0..<shape[0]).flatMap { expert in
            let start = (expert * count + index) * rows * shape[2]
            return values[start..<start + rows * shape[2]]
        }
        return TwinMatrix([shape[0], rows, shape[2]], part)
    }

    /// The rows, or elements of a vector, that were at these places.
    func rows(at places: [Int]) -> TwinMatrix {
        let each = values.count / shape[0]
        return TwinMatrix(
            [places.count] + shape.dropFirst(), places.flatMap { values[$0 * each..<($0 + 1) * each] })
    }

    /// The columns that were at these places.
    func columns(at places: [Int]) -> TwinMatrix {
        let columns = shape[shape.count - 1]
        let rows = stride(from: 0, to: values.count, by: columns)
        return TwinMatrix(
            shape.dropLast() + [places.count], rows.flatMap { row in places.map { values[row + $0] } })
    }

    /// Every value made into another.
    func mapped(_ body: (Float) -> Float) -> TwinMatrix { TwinMatrix(shape, values.map(body)) }

    /// The same values in another shape.
    func seen(as shape: [Int]) -> TwinMatrix { TwinMatrix(shape, values) }
}
