import Glibc
import GraphIR
import Threads

/// What follows from where places lie in their frames.
extension Executor {
    /// The extents of the frame that rows `rows` make up.
    private func extents(_ coordinates: UnsafePointer<Int32>, _ count: Int, _ rows: Range<Int>) -> (
        h: Int, w: Int
    ) {
        var (h, w) = (0, 0)
        for row in rows {
            h = max(h, Int(coordinates[row]) + 1)
            w = max(w, Int(coordinates[count + row]) + 1)
        }
        return (h, w)
    }

    private func frames(_ segments: UnsafePointer<Int32>) -> [Range<Int>] {
        (0..<max(0, extents.segments - 1)).map { Int(segments[$0])..<Int(segments[$0 + 1]) }
    }

    /// A row of the square table for each place, stretched over its frame.
    func fillPositions(
        _ weight: Int, _ kind: Operation.Interpolation, _ coordinates: UnsafePointer<Int32>,
        _ segments: UnsafePointer<Int32>, _ result: Plan.Operand
    ) {
        let count = extents(result.rows)
        let side = Int(Double(weights.matrices[weight].rows).squareRoot())
        for frame in frames(segments) {
            let (h, w) = extents(coordinates, count, frame)
            pool.run(frame.count, grain: 16) { chunk in
                withUnsafeTemporaryAllocation(of: Float.self, capacity: result.columns) { scratch in
                    guard let scratch = scratch.baseAddress else { return }
                    for row in chunk.lowerBound + frame.lowerBound..<chunk.upperBound + frame.lowerBound {
                        let y = kind.taps(Int(coordinates[row]), of: h, side: side)
                        let x = kind.taps(Int(coordinates[count + row]), of: w, side: side)
                        blend(weight, y, x, side, scratch, into: floats(result) + row * result.pitch)
                    }
                }
            }
        }
    }

    private func blend(
        _ weight: Int, _ y: Operation.Interpolation.Taps, _ x: Operation.Interpolation.Taps, _ side: Int,
        _ scratch: UnsafeMutablePointer<Float>, into target: UnsafeMutablePointer<Float>
    ) {
        let columns = weights.matrices[weight].columns
        target.update(repeating: 0, count: columns)
        for i in 0..<4 where y.weights[i] != 0 {
            for j in 0..<4 where x.weights[j] != 0 {
                readRow(Int(y.rows[i]) * side + Int(x.rows[j]), of: weight, into: scratch)
                let factor = y.weights[i] * x.weights[j]
                for column in 0..<columns { target[column] += factor * scratch[column] }
            }
        }
    }

    /// The rows window by window, frame by frame, and for each row in that order where its window starts.
    func findWindows(
        _ coordinates: UnsafePointer<Int32>, _ segments: UnsafePointer<Int32>, _ side: Int, _ into: Int
    ) {
        let count = extents(plan.buffers[into].rows)
        let order = indices(into)
        let starts = order + count
        for frame in frames(segments) {
            let across = (extents(coordinates, count, frame).w + side - 1) / side
            func window(_ row: Int32) -> Int {
                Int(coordinates[Int(row)]) / side * across + Int(coordinates[count + Int(row)]) / side
            }
            var rows = UnsafeMutableBufferPointer(start: order + frame.lowerBound, count: frame.count)
            for (index, row) in frame.enumerated() { rows[index] = Int32(row) }
            // Rows of a window stay in their order.
            rows.sort { (window($0), $0) < (window($1), $1) }
            var start = frame.lowerBound
            for row in frame {
                if window(order[row]) != window(order[start]) { start = row }
                starts[row] = Int32(start)
            }
        }
    }
}

extension Operation.Interpolation {
    /// The table's rows along one axis that a place takes, and how much of each.
    struct Taps {
        var rows: SIMD4<Int32>
        var weights: SIMD4<Float>
    }

    /// The taps of place `index` of `count`, in a table of `side`.
    func taps(_ index: Int, of count: Int, side: Int) -> Taps {
        let last = Int32(side - 1)
        switch self {
        case .bilinear:
            let position = count > 1 ? Float(index * (side - 1)) / Float(count - 1) : 0
            let lower = min(Int32(position), last)
            let upper = min(lower + 1, last)
            let fraction = position - Float(lower)
            return Taps(rows: [lower, upper, 0, 0], weights: [1 - fraction, fraction, 0, 0])
        case .bicubic:
            guard count != side else { return Taps(rows: [Int32(index), 0, 0, 0], weights: [1, 0, 0, 0]) }
            let center = (Float(index) + 0.5) * (Float(side) / Float(count)) - 0.5
            let floor = center.rounded(.down)
            var taps = Taps(rows: .zero, weights: .zero)
            for tap in 0..<4 {
                let row = Int32(floor) + Int32(tap) - 1
                taps.rows[tap] = min(max(row, 0), last)
                taps.weights[tap] = Self.keys(abs(center - Float(row)))
            }
            return taps
        }
    }

    /// Keys' cubic kernel with a = −0.75.
    private static func keys(_ t: Float) -> Float {
        let a: Float = -0.75
        if t <= 1 { return ((a + 2) * t - (a + 3)) * t * t + 1 }
        return t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0
    }
}
