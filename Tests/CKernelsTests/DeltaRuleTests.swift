import CKernels
import Glibc
import Testing

@Suite struct DeltaRuleTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var keyDim = 20, valueDim = 20, keyHeads = 2, heads = 6, tokens = 65

        var blocks: Int { heads * tsr_delta_blocks(valueDim) }
        var columns: Int { Int(TSR_DELTA_COLUMNS) }
        var testDescription: String { "\(heads) heads of \(keyDim)×\(valueDim), \(tokens) tokens" }
    }

    static let cases =
        [(1, 1), (8, 20), (20, 8), (64, 64), (128, 128), (1, 128), (128, 1)].map {
            Case(keyDim: $0.0, valueDim: $0.1, keyHeads: 1, heads: 3)
        }
        + [0, 1, 3].map { Case(tokens: $0) } + [Case(), Case(keyHeads: 3, heads: 3)]

    /// Rows of q and k, v and y are padded by 3, 2 and 5 elements; the state is that of a sequence that goes on.
    struct Inputs {
        let shape: Case
        let keys, values, gates, state: [Float]
        var keyStride: Int { 2 * shape.keyHeads * shape.keyDim + 3 }
        var valueStride: Int { shape.heads * shape.valueDim + 2 }
        var resultStride: Int { shape.heads * shape.valueDim + 5 }

        init(_ kernels: FloatKernels, _ shape: Case) {
            self.shape = shape
            var noise = Noise(state: 22)
            let heads = 2 * shape.keyHeads, keyStride = heads * shape.keyDim + 3
            var keys = noise.floats(shape.tokens * keyStride)
            kernels.table.unit_heads(
                keys, keyStride, 1, 1e-6, shape.tokens, heads, shape.keyDim, &keys, keyStride)
            self.keys = keys
            values = noise.floats(shape.tokens * (shape.heads * shape.valueDim + 2))
            gates = noise.floats(shape.tokens * 2 * shape.heads).map { abs($0).squareRoot() }
            let columns = shape.columns, valueDim = shape.valueDim
            state = noise.floats(shape.blocks * shape.keyDim * columns).enumerated().map { at, x in
                let block = at / (columns * shape.keyDim) % tsr_delta_blocks(valueDim)
                return block * columns + at % columns < valueDim ? x : 0
            }
        }

        func run(_ kernels: FloatKernels, tokens: [Range<Int>], blocks: [Range<Int>])
            -> (y: [Float], state: [Float])
        {
            var state = state
            var y = [Float](repeating: 99, count: shape.tokens * resultStride)
            for part in tokens {
                let t = part.lowerBound
                keys.withUnsafeBufferPointer { keys in
                    values.withUnsafeBufferPointer { values in
                        gates.withUnsafeBufferPointer { gates in
                            state.withUnsafeMutableBufferPointer { state in
                                y.withUnsafeMutableBufferPointer { y in
                                    let q = keys.baseAddress.map { $0 + t * keyStride }
                                    let decay = gates.baseAddress.map { $0 + t * 2 * shape.heads }
                                    var layer = tsr_delta_layer(
                                        q: q, k: q.map { $0 + shape.keyHeads * shape.keyDim },
                                        q_stride: keyStride, k_stride: keyStride,
                                        v: values.baseAddress.map { $0 + t * valueStride },
                                        v_stride: valueStride, decay: decay,
                                        beta: decay.map { $0 + shape.heads }, gate_stride: 2 * shape.heads,
                                        state: state.baseAddress,
                                        y: y.baseAddress.map { $0 + t * resultStride },
                                        y_stride: resultStride, tokens: part.count,
                                        key_heads: shape.keyHeads, value_heads: shape.heads,
                                        key_dim: shape.keyDim, value_dim: shape.valueDim)
                                    for range in blocks {
                                        kernels.table.delta_rule(&layer, range.lowerBound, range.upperBound)
                                    }
                                }
                            }
                        }
                    }
                }
            }
            return (y, state)
        }

        /// Where a column of a head begins in the state.
        func place(_ head: Int, _ column: Int) -> Int {
            let block = head * tsr_delta_blocks(shape.valueDim) + column / shape.columns
            return block * shape.keyDim * shape.columns + column % shape.columns
        }

        /// One column by the rule in double precision: its results, and the state behind them.
        func column(_ head: Int, _ column: Int) -> (y: [Double], state: [Double]) {
            let dim = shape.keyDim, key = head / (shape.heads / shape.keyHeads) * dim
            var s = (0..<dim).map { Double(state[place(head, column) + $0 * shape.columns]) }
            let y = (0..<shape.tokens).map { t in
                let q = keys[t * keyStride + key..<t * keyStride + key + dim].map(Double.init)
                let kBegin = t * keyStride + shape.keyHeads * dim + key
                let k = keys[kBegin..<kBegin + dim].map(Double.init)
                let gate = t * 2 * shape.heads + head
                for i in 0..<dim { s[i] *= Double(gates[gate]) }
                let recalled = zip(s, k).reduce(0) { $0 + $1.0 * $1.1 }
                let v = Double(values[t * valueStride + head * shape.valueDim + column])
                let delta = Double(gates[gate + shape.heads]) * (v - recalled)
                for i in 0..<dim { s[i] += k[i] * delta }
                return zip(s, q).reduce(0) { $0 + $1.0 * $1.1 }
            }
            return (y, s)
        }
    }

    @Test(arguments: FloatKernels.available, cases) func everyColumnFollowsTheRule(
        _ kernels: FloatKernels, _ shape: Case
    ) {
        let inputs = Inputs(kernels, shape)
        let result = inputs.run(kernels, tokens: [0..<shape.tokens], blocks: [0..<shape.blocks])
        // Numbers are about 1, and an error fades as what it is part of does: a few tokens' roundings of a sum are what there is.
        let tolerance = Double(shape.keyDim + 32) * roundoff
        var worst = 0.0
        for head in 0..<shape.heads {
            for column in 0..<shape.valueDim {
                let expected = inputs.column(head, column)
                for t in 0..<shape.tokens {
                    let y = result.y[t * inputs.resultStride + head * shape.valueDim + column]
                    worst = max(worst, abs(Double(y) - expected.y[t]) / (1 + abs(expected.y[t])))
                }
                for i in 0..<shape.keyDim {
                    let s = result.state[inputs.place(head, column) + i * shape.columns]
                    worst = max(worst, abs(Double(s) - expected.state[i]) / (1 + abs(expected.state[i])))
                }
            }
        }
        #expect(worst <= tolerance)
        for t in 0..<shape.tokens {  // nothing behind a row
            let end = (t + 1) * inputs.resultStride
            #expect(result.y[end - 5..<end].allSatisfy { $0 == 99 })
        }
        for (at, s) in inputs.state.enumerated() where s == 0 && at % shape.columns >= shape.valueDim {
            #expect(result.state[at] == 0)
        }
    }

    @Test(arguments: FloatKernels.available, cases) func partsAreAsTheWhole(
        _ kernels: FloatKernels, _ shape: Case
    ) {
        let inputs = Inputs(kernels, shape), (tokens, blocks) = (shape.tokens, shape.blocks)
        let whole = inputs.run(kernels, tokens: [0..<tokens], blocks: [0..<blocks])
        for length in [1, 7, 64] {
            let parts = stride(from: 0, to: tokens, by: length).map { $0..<min($0 + length, tokens) }
            let cut = inputs.run(kernels, tokens: parts, blocks: [blocks / 3..<blocks, 0..<blocks / 3])
            #expect(bits(cut.y) == bits(whole.y) && bits(cut.state) == bits(whole.state))
        }
        let singles = inputs.run(
            kernels, tokens: [0..<tokens], blocks: (0..<blocks).reversed().map { $0..<$0 + 1 })
        #expect(bits(singles.y) == bits(whole.y) && bits(singles.state) == bits(whole.state))
    }
}

@Suite struct DeltaInputTests {
    @Test(arguments: FloatKernels.available, [1, 5, 8, 16, 31, 64, 128]) func unitHeads(
        _ kernels: FloatKernels, _ width: Int
    ) {
        var noise = Noise(state: 23)
        let rows = 3, heads = 2, used = heads * width
        var x = noise.floats(rows * (used + 2))
        for i in 0..<width { x[i] = 0 }
        var y = [Float](repeating: 9, count: rows * (used + 1))
        kernels.table.unit_heads(x, used + 2, 0.25, 1e-6, rows, heads, width, &y, used + 1)
        for row in 0..<rows {
            for head in 0..<heads {
                let begin = row * (used + 2) + head * width
                let line = x[begin..<begin + width].map(Double.init)
                let factor = 0.25 / (line.reduce(0) { $0 + $1 * $1 } + Double(Float(1e-6))).squareRoot()
                for i in 0..<width {
                    let error = abs(Double(y[row * (used + 1) + head * width + i]) - line[i] * factor)
                    #expect(error <= Double(width / 4 + 8) * roundoff * abs(line[i] * factor))
                }
            }
            #expect(y[row * (used + 1) + used] == 9)
        }
        kernels.table.unit_heads(x, used + 2, 0.25, 1e-6, rows, heads, width, &x, used + 2)  // in place
        #expect(x[used + 2..<2 * used + 2] == y[used + 1..<2 * used + 1])
    }

    /// Both gates over all sizes of what they are made of, for every number of heads that vectors end at.
    @Test(arguments: FloatKernels.available, [1, 3, 16, 19]) func gates(
        _ kernels: FloatKernels, _ heads: Int
    ) {
        var noise = Noise(state: 24)
        let values = (-600...600).map { Float($0) * 0.17 } + [1e-30, -1e-30, 1e4, -1e4, 1e30, -1e30]
        let rows = values.count, logRate = noise.floats(heads).map { $0 * 4 }, bias = noise.floats(heads)
        let a = values.flatMap { value in (0..<heads + 1).map { value * (1 + Float($0) / 64) } }
        var gates = [Float](repeating: 9, count: rows * (2 * heads + 1))
        gates.withUnsafeMutableBufferPointer { gates in
            guard let base = gates.baseAddress else { return }
            kernels.table.delta_gates(
                a, heads + 1, a, heads + 1, logRate, bias, rows, heads, base, base + heads, 2 * heads + 1)
        }
        for row in 0..<rows {
            for head in 0..<heads {
                let raw = a[row * (heads + 1) + head], x = Double(raw + bias[head])
                let softplus = max(x, 0) + log1p(exp(-abs(x)))
                let exponent = exp(Double(logRate[head])) * softplus
                let decay = Double(gates[row * (2 * heads + 1) + head])
                let beta = Double(gates[row * (2 * heads + 1) + heads + head])
                // The exponent's own relative error shows times its size.
                let tolerance = exp(-exponent) * (1e-6 + 16 * roundoff * min(exponent, 100))
                #expect(abs(decay - exp(-exponent)) <= tolerance + 2e-38, "decay of \(raw)")
                let open = 1 / (1 + exp(-Double(raw)))
                #expect(abs(beta - open) <= 1e-6 * open + 2e-38, "beta of \(raw)")
            }
            #expect(gates[row * (2 * heads + 1) + 2 * heads] == 9)
        }
    }

    /// Where little is forgotten, how little is right to a few roundings.
    @Test(arguments: FloatKernels.available) func softplusKeepsItsRelativeError(_ kernels: FloatKernels) {
        for x in stride(from: Float(-80), through: 80, by: 0.23) {
            // e^(-e^r·softplus) is e^-1 where r is the logarithm of 1/softplus.
            let softplus = max(Double(x), 0) + log1p(exp(-abs(Double(x))))
            let rate = Float(-log(softplus))
            var (a, bias, logRate, decay, beta) = (x, Float(0), rate, Float(0), Float(0))
            kernels.table.delta_gates(&a, 1, &a, 1, &logRate, &bias, 1, 1, &decay, &beta, 1)
            let exponent = exp(Double(rate)) * softplus
            #expect(abs(-log(Double(decay)) - exponent) <= 24 * roundoff, "\(x)")
        }
    }

    @Test(arguments: FloatKernels.available) func gatesKeepNaN(_ kernels: FloatKernels) {
        let a: [Float] = [.nan, 1, 1, .nan, 1], rates: [Float] = [0, 0, .nan, 0, 0]
        var decay = [Float](repeating: 0, count: 5), beta = decay
        kernels.table.delta_gates(a, 5, a, 5, rates, [0, 0, 0, 0, .nan], 1, 5, &decay, &beta, 5)
        #expect(decay.map(\.isNaN) == [true, false, true, true, true])
        #expect(beta.map(\.isNaN) == [true, false, false, true, false])
    }
}
