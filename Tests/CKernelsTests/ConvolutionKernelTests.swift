import CKernels
import Testing

@Suite struct ConvolutionTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let width, tokens: Int
        /// Some are left over behind those that are done together.
        let channels = 275

        var testDescription: String { "\(tokens) tokens by \(width)" }
    }

    static let cases = [1, 2, 4, 16].flatMap { width in
        [0, 1, 3, 65].map { Case(width: width, tokens: $0) }
    }

    /// Rows of `x` and `y` are padded by 3 and 5 elements.
    struct Inputs {
        let shape: Case
        let x, weights, tail: [Float]

        init(_ shape: Case) {
            self.shape = shape
            var noise = Noise(state: 21)
            x = noise.floats(shape.tokens * (shape.channels + 3))
            weights = noise.floats(shape.channels * shape.width)
            tail = noise.floats((shape.width - 1) * shape.channels)
        }

        func run(_ kernels: FloatKernels, tokens: [Range<Int>], channels: [Range<Int>])
            -> (y: [Float], tail: [Float])
        {
            let yStride = shape.channels + 5
            var (x, weights, tail) = (x, weights, tail)
            var y = [Float](repeating: 99, count: shape.tokens * yStride)
            x.withUnsafeMutableBufferPointer { x in
                weights.withUnsafeMutableBufferPointer { weights in
                    tail.withUnsafeMutableBufferPointer { tail in
                        y.withUnsafeMutableBufferPointer { y in
                            for part in tokens {
                                var call = tsr_convolution(
                                    weights: weights.baseAddress, width: shape.width,
                                    tail: tail.baseAddress,
                                    x: x.baseAddress.map { $0 + part.lowerBound * (shape.channels + 3) },
                                    x_stride: shape.channels + 3,
                                    y: y.baseAddress.map { $0 + part.lowerBound * yStride },
                                    y_stride: yStride, channels: shape.channels, tokens: part.count)
                                for range in channels {
                                    kernels.table.causal_convolution(
                                        &call, range.lowerBound, range.upperBound)
                                }
                            }
                        }
                    }
                }
            }
            return (y, tail)
        }

        /// The input `back` tokens before `token`.
        func input(_ token: Int, _ back: Int, _ channel: Int) -> Float {
            token >= back
                ? x[(token - back) * (shape.channels + 3) + channel]
                : tail[(token - back + shape.width - 1) * shape.channels + channel]
        }
    }

    @Test(arguments: FloatKernels.available, cases) func everyTokenSeesThoseBefore(
        _ kernels: FloatKernels, _ shape: Case
    ) {
        let inputs = Inputs(shape), (tokens, channels, width) = (shape.tokens, shape.channels, shape.width)
        let (y, tail) = inputs.run(kernels, tokens: [0..<tokens], channels: [0..<channels])
        for t in 0..<tokens {
            for c in 0..<channels {
                var sum = 0.0, size = 0.0
                for back in 0..<width {
                    let weight = inputs.weights[c * width + width - 1 - back]
                    let term = Double(weight) * Double(inputs.input(t, back, c))
                    sum += term
                    size += abs(term)
                }
                let error = abs(Double(y[t * (channels + 5) + c]) - sum)
                if error > Double(width + 1) * roundoff * size { Issue.record("[\(t), \(c)]: \(error)") }
            }
            #expect(y[t * (channels + 5) + channels..<(t + 1) * (channels + 5)].allSatisfy { $0 == 99 })
        }
        for row in 0..<width - 1 {
            for c in 0..<channels {
                #expect(tail[row * channels + c] == inputs.input(tokens, width - 1 - row, c))
            }
        }
    }

    @Test(arguments: FloatKernels.available, cases) func partsAreAsTheWhole(
        _ kernels: FloatKernels, _ shape: Case
    ) {
        let inputs = Inputs(shape), (tokens, channels) = (shape.tokens, shape.channels)
        let whole = inputs.run(kernels, tokens: [0..<tokens], channels: [0..<channels])
        let half = tokens / 2
        for parts in [[0..<half, half..<tokens], (0..<tokens).map { $0..<$0 + 1 }] {
            let cut = inputs.run(kernels, tokens: parts, channels: [7..<263, 0..<7, 263..<channels])
            #expect(bits(cut.y) == bits(whole.y) && bits(cut.tail) == bits(whole.tail))
        }
    }

    @Test(arguments: FloatKernels.available) func inPlace(_ kernels: FloatKernels) {
        let shape = Case(width: 4, tokens: 65), inputs = Inputs(shape), stride = shape.channels + 3
        let whole = inputs.run(kernels, tokens: [0..<shape.tokens], channels: [0..<shape.channels])
        var (x, tail) = (inputs.x, inputs.tail)
        inputs.weights.withUnsafeBufferPointer { weights in
            tail.withUnsafeMutableBufferPointer { tail in
                x.withUnsafeMutableBufferPointer { x in
                    var call = tsr_convolution(
                        weights: weights.baseAddress, width: shape.width, tail: tail.baseAddress,
                        x: x.baseAddress, x_stride: stride, y: x.baseAddress, y_stride: stride,
                        channels: shape.channels, tokens: shape.tokens)
                    kernels.table.causal_convolution(&call, 0, shape.channels)
                }
            }
        }
        #expect(bits(tail) == bits(whole.tail))
        for t in 0..<shape.tokens {
            #expect(
                x[t * stride..<t * stride + shape.channels]
                    == whole.y[t * (stride + 2)..<t * (stride + 2) + shape.channels])
        }
    }
}
