internal import CKernels
internal import Storage

/// What an adapter adds to a weight: `scale · B·A`, and with magnitudes `m` each row is then given that length (DoRA).
///
/// A convolution's kernel is a row of its matrix, as its output is: `A` has the kernel's extents behind r, `B` ends in ones.
public struct LowRankChange: Sendable {
    /// `[r, K]`; of an embedding `[r, rows]`.
    private let a: SourceTensor
    /// `[N, r]`; of an embedding `[columns, r]`.
    private let b: SourceTensor
    /// `[N]`.
    private let magnitude: SourceTensor?
    /// Whether it is the transpose of the product that is added, as to embeddings.
    private let isTransposed: Bool
    private let scale: Float

    /// - Throws: `.badInput` when the tensors do not go together, or hold what is no finite number.
    init(
        a: SourceTensor, b: SourceTensor, magnitude: SourceTensor?, isTransposed: Bool, scale: Float
    ) throws(Failure) {
        for matrix in [a, b] where matrix.shape.rank < 2 {
            throw matrix.scattered("has shape \(matrix.shape)")
        }
        guard a.shape.extents[0] == b.shape.extents[1], a.shape.rank == b.shape.rank,
            b.shape.extents.dropFirst(2).allSatisfy({ $0 == 1 }), !isTransposed || a.shape.rank == 2
        else { throw a.failure("has shape \(a.shape), which does not go with \(b.shape) of '\(b.name)'") }
        let rows = isTransposed ? a.shape.extents[1] : b.shape.extents[0]
        if let magnitude, magnitude.shape.count != rows {
            throw magnitude.failure("has shape \(magnitude.shape) where there are \(rows) rows")
        }
        for tensor in [a, b] + (magnitude.map { [$0] } ?? []) { try tensor.checkFinite() }
        (self.a, self.b, self.magnitude) = (a, b, magnitude)
        (self.isTransposed, self.scale) = (isTransposed, scale)
    }

    /// The names of its tensors.
    var sources: [String] { [a.name, b.name] + (magnitude.map { [$0.name] } ?? []) }

    /// The shape of the weights that it can be added to.
    var product: [Int] {
        isTransposed
            ? [a.shape.extents[1], b.shape.extents[0]]
            : [b.shape.extents[0]] + a.shape.extents.dropFirst()
    }

    /// Why it cannot be added to a weight of that shape; nil when it can.
    func refusal(_ shape: Shape) -> Failure? {
        guard shape.extents == product else {
            return a.failure(
                "and '\(b.name)' change a weight of \(product), not one of \(shape)",
                remedy: "is it an adapter of this model?")
        }
        return nil
    }

    /// The rank.
    private var rank: Int { a.shape.extents[0] }

    /// Adds it to rows of a weight of `columns` columns.
    /// - Throws: `.badInput` when a row of zeros should be given a length.
    func add(
        _ rows: Range<Int>, columns: Int, to out: UnsafeMutablePointer<Float>
    ) throws(Failure) {
        // Both with the rank innermost: rows of one are multiplied by rows of the other.
        let right = isTransposed ? b.floats(0..<columns * rank) : a.transposed(columns)
        let strip = 16
        let products = UnsafeMutablePointer<Float>.allocate(capacity: strip * columns)
        defer { products.deallocate() }
        for first in stride(from: rows.lowerBound, to: rows.upperBound, by: strip) {
            let wanted = first..<min(first + strip, rows.upperBound)
            let left =
                isTransposed
                ? a.gathered(wanted) : b.floats(wanted.lowerBound * rank..<wanted.upperBound * rank)
            tsr_float_product(
                TSR_F32, right, rank, 0, columns, left, rank, 0, wanted.count, nil, products, columns)
            let target = out + (first - rows.lowerBound) * columns
            for index in 0..<wanted.count * columns { target[index] += products[index] * scale }
            if let magnitude { try stretch(wanted, to: magnitude, columns, target) }
        }
    }

    /// Gives each row the length that its magnitude says.
    private func stretch(
        _ rows: Range<Int>, to magnitude: SourceTensor, _ columns: Int, _ target: UnsafeMutablePointer<Float>
    ) throws(Failure) {
        let lengths = magnitude.floats(rows)
        for index in 0..<rows.count {
            let row = target + index * columns
            var squares = 0.0
            for column in 0..<columns { squares += Double(row[column]) * Double(row[column]) }
            guard squares != 0 else {
                throw magnitude.failure(
                    "gives row \(rows.lowerBound + index) a length, which is all zeros and has no direction",
                    remedy: "is it an adapter of this model?")
            }
            let factor = Float(Double(lengths[index]) / squares.squareRoot())
            for column in 0..<columns { row[column] *= factor }
        }
    }
}

extension ElementType {
    /// The kernels' name of a type of floats; nil for others.
    var kernelType: tsr_float_type? {
        switch self {
        case .float32: TSR_F32
        case .float16: TSR_F16
        case .bfloat16: TSR_BF16
        case .float64: TSR_F64
        default: nil
        }
    }
}

extension SourceTensor {
    /// Refuses NaN and infinity.
    fileprivate func checkFinite() throws(Failure) {
        var index = 0
        guard let type = self.type.kernelType,
            tsr_first_nonfinite(type, data.bytes.baseAddress, shape.count, &index) != 0
        else { return }
        throw failure(
            "holds \(floats(index..<index + 1)[0]) at [\(index / (shape.count / shape.extents[0])), "
                + "\(index % (shape.count / shape.extents[0]))]: the training went wrong",
            remedy: "take an earlier checkpoint of the adapter")
    }

    /// Some elements of a tensor of floats.
    func floats(_ range: Range<Int>) -> [Float] {
        guard let type = self.type.kernelType, let start = data.bytes.baseAddress else { return [] }
        return [Float](unsafeUninitializedCapacity: range.count) { buffer, count in
            tsr_to_f32(type, start + range.lowerBound * self.type.width, range.count, buffer.baseAddress)
            count = range.count
        }
    }

    /// A matrix of floats with rows and columns exchanged.
    fileprivate func transposed(_ columns: Int) -> [Float] {
        let rows = shape.extents[0]
        let values = floats(0..<rows * columns)
        return [Float](unsafeUninitializedCapacity: rows * columns) { buffer, count in
            for column in 0..<columns {
                for row in 0..<rows { buffer[column * rows + row] = values[row * columns + column] }
            }
            count = rows * columns
        }
    }

    /// Columns of a matrix of floats, each as a row.
    fileprivate func gathered(_ columns: Range<Int>) -> [Float] {
        let (rows, width) = (shape.extents[0], shape.extents[1])
        var result = [Float](repeating: 0, count: rows * columns.count)
        for row in 0..<rows {
            let values = floats(row * width + columns.lowerBound..<row * width + columns.upperBound)
            for (index, value) in values.enumerated() { result[index * rows + row] = value }
        }
        return result
    }
}
