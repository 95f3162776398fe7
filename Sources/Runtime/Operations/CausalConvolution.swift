import CKernels
import GraphIR
import Storage
import Threads

extension Operation.CausalConvolution: LoweredOperation {
    func lower(_ node: Graph.Node, at index: Int, in compiler: inout PlanCompiler) throws(Failure)
        -> Plan.Operand
    {
        let x = try compiler.ownedCopy(node.operands[0], at: index, for: node.result)
        let matrix = try compiler.weights.matrixIndex(weight)
        let taps = [Float](unsafeUninitializedCapacity: channels * width) { taps, count in
            guard let base = taps.baseAddress else { return }
            for channel in 0..<channels {
                compiler.weights.readRow(channel, of: matrix, into: base + channel * width)
            }
            count = channels * width
        }
        compiler.emit(Convolve(x: x, taps: taps, width: width, layer: layer))
        return x
    }
}

/// Convolves each channel along the sequence, in place.
struct Convolve: Step {
    let x: Plan.Operand
    /// [channels, width], the oldest token's first.
    let taps: [Float]
    let width: Int
    let layer: Int

    func accesses(in plan: Plan) -> [Plan.Access] { [.write(x)] }
    var cached: [Plan.Operand] { [x] }

    func run(in executor: Executor) {
        guard let tail = executor.cache?.recurrent.floats(.init(layer: layer, kind: .convolution)) else {
            return
        }
        taps.withUnsafeBufferPointer { taps in
            let call = tsr_convolution(
                weights: taps.baseAddress, width: width, tail: tail, x: executor.floats(x), x_stride: x.pitch,
                y: executor.floats(x), y_stride: x.pitch, channels: x.columns,
                tokens: executor.extents(x.rows))
            let grain = max(16, 65_536 / max(1, call.tokens * width))
            executor.pool.run(x.columns, grain: grain) { chunk in
                var call = call
                tsr_causal_convolution(&call, chunk.lowerBound, chunk.upperBound)
            }
        }
    }
}
