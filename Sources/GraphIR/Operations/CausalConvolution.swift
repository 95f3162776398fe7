import Storage

extension Operation {
    /// x [n, channels] → [n, channels]: of each channel Σ_j w[channel, j] · x[t − width + 1 + j], over the tokens of the whole sequence,
    /// with zeros before its first.
    public struct CausalConvolution: OperationDefinition {
        /// The name of w's slot [channels, width].
        public let weight: String
        /// Columns, each convolved by itself.
        public let channels: Int
        /// Tokens that a token is made of, itself the last; 2 to 16.
        public let width: Int
        /// The number of the layer that keeps the last width − 1 rows.
        public let layer: Int

        /// A convolution along the sequence.
        public init(_ weight: String, channels: Int, width: Int, layer: Int) {
            self.weight = weight
            self.channels = channels
            self.width = width
            self.layer = layer
        }
    }
}

extension Operation.CausalConvolution {
    static let name = "causal_convolution"
    static let operandCount = 1...1

    init(_ attributes: OperationAttributes) throws(Failure) {
        self.init(
            try attributes.text("weight"), channels: try attributes.int("channels"),
            width: try attributes.int("width"), layer: try attributes.int("layer"))
    }

    var operation: Operation { .causalConvolution(self) }
    var attributes: [JSON.Member] {
        [
            .init("weight", .string(weight)), .init("channels", .int(channels)), .init("width", .int(width)),
            .init("layer", .int(layer)),
        ]
    }
    var weightNames: [String] { [weight] }
    var state: LayerState? { .convolution(layer: layer, rows: width - 1, channels: channels) }

    func resultType(of operands: OperandTypes) throws(Failure) -> ValueType {
        guard (2...16).contains(width), (1...1 << 20).contains(channels) else {
            throw operands.illegal("is \(width) wide, of \(channels) channels")
        }
        let x = try operands.matrix(0, columns: channels)
        guard x.rows == .symbol(.tokens) else { throw operands.illegal("goes along \(x.rows), not tokens") }
        try operands.check(weight, is: [channels, width])
        return operands[0]
    }
}
