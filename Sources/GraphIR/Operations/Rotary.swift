import Storage

extension Operation {
    /// positions [axes, n] (and, when it stretches, the prompt's length [1]) → [n, headDimension]: cosines, then sines, of
    /// the rotary angles.
    public struct RotaryTable: OperationDefinition {
        /// Which axis of the positions drives which frequency.
        public enum Layout: Hashable, Sendable {
            /// Frequencies θ^(−2j/d), j < d/2; the first section follows axis 0, the next axis 1, and so on.
            case sections([Int])
            /// The same frequencies; the axes take turns from axis 0 on, each but 0 until it has had its section.
            case interleaved([Int])
            /// Every axis has its own frequencies θ^(−2j/(d/axes)), j < d/(2·axes), side by side.
            case axial(axes: Int)
        }

        /// Above it, a θ that stretches might be more than float32 holds.
        private static let largestTheta = 1e15

        /// d, even.
        public let headDimension: Int
        /// θ, the base of the frequencies; 1 to 1e15.
        public let theta: Double
        /// Which axis drives which frequency.
        public let layout: Layout
        /// With it, a prompt of n tokens beyond so many has θ · α^(d/(d−2)), α = 2^⌈log₂(n/trained) + 1⌉ − 1 ("dynamic NTK").
        public let trainedLength: Int?

        /// A table for heads of `headDimension` columns.
        public init(headDimension: Int, theta: Double, layout: Layout, trainedLength: Int? = nil) {
            self.headDimension = headDimension
            self.theta = theta
            self.layout = layout
            self.trainedLength = trainedLength
        }

        /// The number of position rows it takes.
        public var axes: Int {
            switch layout {
            case .sections(let sections), .interleaved(let sections): sections.count
            case .axial(let axes): axes
            }
        }
    }

    /// x [n, heads·headDimension], table [n, rotated] → x with the first `rotated` columns of each head rotated, pairing column i with
    /// i + rotated/2.
    public struct Rotary: OperationDefinition {
        /// Equal parts of a row.
        public let heads: Int
        /// Columns of each.
        public let headDimension: Int
        /// Those of them that are rotated.
        public let rotated: Int

        /// A rotation of the heads of queries or keys; of all their columns, unless `rotated` says of how many.
        public init(heads: Int, headDimension: Int, rotated: Int? = nil) {
            self.heads = heads
            self.headDimension = headDimension
            self.rotated = rotated ?? headDimension
        }
    }
}

extension Operation.RotaryTable {
    static let name = "rotary_table"
    static let operandCount = 1...2

    init(_ attributes: OperationAttributes) throws(Failure) {
        let layout: Layout
        if let sections = attributes.ints("sections") {
            layout = .sections(sections)
        } else if let sections = attributes.ints("interleaved_sections") {
            layout = .interleaved(sections)
        } else if attributes.has("axes") {
            layout = .axial(axes: try attributes.int("axes"))
        } else {
            throw .badInput("lacks 'sections', 'interleaved_sections' or 'axes'")
        }
        self.init(
            headDimension: try attributes.int("head_dimension"), theta: try attributes.real("theta"),
            layout: layout,
            trainedLength: attributes.has("trained_length") ? try attributes.int("trained_length") : nil)
    }

    var operation: Operation { .rotaryTable(self) }
    var attributes: [JSON.Member] {
        let layout: JSON.Member =
            switch layout {
            case .sections(let sections): .init("sections", .array(sections.map(JSON.int)))
            case .interleaved(let sections): .init("interleaved_sections", .array(sections.map(JSON.int)))
            case .axial(let axes): .init("axes", .int(axes))
            }
        return [.init("head_dimension", .int(headDimension)), .init("theta", .double(theta)), layout]
            + (trainedLength.map { [.init("trained_length", .int($0))] } ?? [])
    }

    func resultType(of operands: OperandTypes) throws(Failure) -> ValueType {
        guard (operands.count == 2) == (trainedLength != nil) else {
            throw operands.illegal("has \(operands.count) operands")
        }
        if trainedLength != nil, try operands.indices(1) != .fixed(1) {
            throw operands.illegal("takes one length")
        }
        let positions = operands[0]
        guard positions.element == .index, positions.extents.count == 2, positions.extents[0] == .fixed(axes)
        else { throw operands.illegal("takes \(axes) rows of positions, not \(positions)") }
        let head = headDimension
        guard head > 0, head <= 256, head % 2 == 0, trainedLength.map({ $0 > 0 && head > 2 }) ?? true else {
            throw operands.illegal(
                "has heads of \(head) columns, trained for \(trainedLength ?? 0) tokens")
        }
        guard (1...Self.largestTheta).contains(theta) else {
            throw operands.illegal("has a theta of \(theta), not 1 to \(Self.largestTheta)")
        }
        switch layout {
        case .sections(let sections), .interleaved(let sections):
            guard sections.count <= 4, sections.allSatisfy({ (1...256).contains($0) }),
                sections.reduce(0, +) == head / 2
            else { throw operands.illegal("has sections \(sections) for \(head / 2) frequencies") }
        case .axial(let axes):
            guard (1...4).contains(axes), head % (2 * axes) == 0 else {
                throw operands.illegal("has \(axes) axes")
            }
        }
        return ValueType(.angles, [positions.extents[1], .fixed(head)])
    }
}

extension Operation.Rotary {
    static let name = "rotary"
    static let operandCount = 2...2
    static let optionalAttributes: Set<String> = ["rotated"]

    init(_ attributes: OperationAttributes) throws(Failure) {
        let head = try attributes.int("head_dimension")
        self.init(
            heads: try attributes.int("heads"), headDimension: head,
            rotated: try attributes.int("rotated", default: head))
    }

    var operation: Operation { .rotary(self) }
    var attributes: [JSON.Member] {
        [.init("heads", .int(heads)), .init("head_dimension", .int(headDimension))]
            + (rotated < headDimension ? [.init("rotated", .int(rotated))] : [])
    }

    func resultType(of operands: OperandTypes) throws(Failure) -> ValueType {
        let x = try operands.matrix(0, columns: try operands.product(heads, headDimension))
        guard rotated <= headDimension, operands[1] == ValueType(.angles, [x.rows, .fixed(rotated)]) else {
            throw operands.illegal("takes a rotary_table of its rows and columns, not \(operands[1])")
        }
        return operands[0]
    }
}
