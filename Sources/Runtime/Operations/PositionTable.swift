import GraphIR
import Storage
import Threads

extension Operation.PositionTable: LoweredOperation {
    func lower(_ node: Graph.Node, at index: Int, in compiler: inout PlanCompiler) throws(Failure)
        -> Plan.Operand
    {
        let result = compiler.newOperand(for: node.result)
        compiler.emit(
            StretchTable(
                weight: try compiler.weights.matrixIndex(weight), interpolation: interpolation,
                coordinates: try compiler.buffer(node.operands[0]),
                segments: try compiler.buffer(node.operands[1]), result: result))
        return result
    }
}

/// A row of the square table for each place, stretched over its frame.
struct StretchTable: Step {
    /// The number of its matrix.
    let weight: Int
    let interpolation: Operation.PositionTable.Interpolation
    /// Buffers.
    let coordinates, segments: Int
    let result: Plan.Operand

    func accesses(in plan: Plan) -> [Plan.Access] {
        [.read(coordinates, 2, result.rows), .segments(segments), .write(result)]
    }

    func bounds(_ weights: Weights) -> [(buffer: Int, bound: Plan.Bound)] {
        [(coordinates, .places), (segments, .boundaries(result.rows))]
    }

    func run(in executor: Executor) {
        executor.fillPositions(
            weight, interpolation, executor.indices(coordinates), executor.indices(segments), result)
    }
}

extension Executor {
    /// A row of the square table for each place, stretched over its frame.
    fileprivate func fillPositions(
        _ weight: Int, _ kind: Operation.PositionTable.Interpolation, _ coordinates: UnsafePointer<Int32>,
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
        _ weight: Int, _ y: Operation.PositionTable.Interpolation.Taps,
        _ x: Operation.PositionTable.Interpolation.Taps, _ side: Int,
        _ scratch: UnsafeMutablePointer<Float>, into target: UnsafeMutablePointer<Float>
    ) {
        let columns = weights.matrices[weight].columns
        target.update(repeating: 0, count: columns)
        for i in 0..<4 where y.weights[i] != 0 {
            for j in 0..<4 where x.weights[j] != 0 {
                weights.readRow(Int(y.rows[i]) * side + Int(x.rows[j]), of: weight, into: scratch)
                let factor = y.weights[i] * x.weights[j]
                for column in 0..<columns { target[column] += factor * scratch[column] }
            }
        }
    }
}

extension Operation.PositionTable.Interpolation {
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
