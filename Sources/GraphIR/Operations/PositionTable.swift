import Storage

extension Operation {
    /// coordinates [2, n], segments → a row [n, K] for each place, from a square table of S² rows stretched over its frame.
    public struct PositionTable: OperationDefinition {
        /// How a square table of positions is stretched over the places of a frame.
        public enum Interpolation: String, CaseIterable, Sendable {
            /// Between the four nearest rows; the table's corners fall on the frame's.
            case bilinear
            /// Keys' kernel with a = −0.75 over 4×4 rows; places and rows are areas, and rows beyond the edge repeat it.
            case bicubic
        }

        /// The name of the table's slot [S², K].
        public let weight: String
        /// How it is stretched.
        public let interpolation: Interpolation

        /// A table of positions.
        public init(_ weight: String, _ interpolation: Interpolation) {
            self.weight = weight
            self.interpolation = interpolation
        }
    }
}

extension Operation.PositionTable {
    static let name = "position_table"
    static let operandCount = 2...2

    init(_ attributes: OperationAttributes) throws(Failure) {
        self.init(try attributes.text("weight"), try attributes.choice("interpolation"))
    }

    var operation: Operation { .positionTable(self) }
    var attributes: [JSON.Member] {
        [.init("weight", .string(weight)), .init("interpolation", .string(interpolation.rawValue))]
    }
    var weightNames: [String] { [weight] }

    func resultType(of operands: OperandTypes) throws(Failure) -> ValueType {
        let extents = try operands.weight(weight, rank: 2)
        let side = Int(Double(extents[0]).squareRoot())
        guard side * side == extents[0] else { throw operands.illegal("has a table of \(extents[0]) rows") }
        return .rows(try operands.places(0), extents[1])
    }
}
