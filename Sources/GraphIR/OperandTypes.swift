import Storage

/// What an operation is given: the types of its operands and the shapes of weights, with the questions that type rules ask.
struct OperandTypes {
    private let types: [ValueType]
    private let shapes: [String: Shape]
    private let operation: String

    init(_ types: [ValueType], _ shapes: [String: Shape], of operation: String) {
        self.types = types
        self.shapes = shapes
        self.operation = operation
    }

    /// How many there are.
    var count: Int { types.count }

    subscript(index: Int) -> ValueType { types[index] }

    /// The rows and columns of a float matrix, of `columns` columns if stated.
    func matrix(_ index: Int, columns: Int? = nil) throws(Failure) -> (rows: Dimension, columns: Int) {
        guard let width = types[index].columns else { throw illegal("operand \(index) is no float matrix") }
        if let columns, columns != width {
            throw illegal("operand \(index) has \(width) columns, not \(columns)")
        }
        return (types[index].extents[0], width)
    }

    /// How many indices a list has.
    func indices(_ index: Int) throws(Failure) -> Dimension {
        let type = types[index]
        guard type.element == .index, type.extents.count == 1 else {
            throw illegal("operand \(index) is no list of indices")
        }
        return type.extents[0]
    }

    /// The extents of a weight.
    func weight(_ name: String, rank: Int) throws(Failure) -> [Int] {
        guard let shape = shapes[name] else { throw illegal("weight '\(name)' is not declared") }
        guard shape.rank == rank else { throw illegal("weight '\(name)' has shape \(shape)") }
        return shape.extents
    }

    /// Checks the shape of a weight.
    func check(_ name: String, is expected: [Int]) throws(Failure) {
        let found = try weight(name, rank: expected.count)
        guard found == expected else { throw illegal("weight '\(name)' has shape \(found), not \(expected)") }
    }

    /// Checks that operand `index`, numbers of places in frames, and the next, the frames' boundaries, are of patches.
    func places(_ index: Int) throws(Failure) -> Dimension {
        let patches = Dimension.symbol(.patches)
        guard types[index] == ValueType(.index, [.fixed(2), patches]),
            try indices(index + 1) == .symbol(.segments)
        else { throw illegal("takes coordinates and segments of patches, not \(types[index])") }
        return patches
    }

    /// How many numbers of rows there are. Those fed are numbers of tokens: any others would lead outside `rows`.
    func tokenNumbers(_ index: Int, of rows: Dimension) throws(Failure) -> Dimension {
        let numbers = try indices(index)
        guard rows == .symbol(.tokens), numbers == .symbol(.visuals) || numbers == .symbol(.outputs) else {
            throw illegal("takes some tokens' rows, not \(numbers) of \(rows)")
        }
        return numbers
    }

    /// The product of two positive extents.
    func product(_ a: Int, _ b: Int) throws(Failure) -> Int {
        let (value, overflow) = a.multipliedReportingOverflow(by: b)
        guard a > 0, b > 0, !overflow else { throw illegal("has extents \(a) × \(b)") }
        return value
    }

    /// What is wrong, with the operation's name.
    func illegal(_ what: String) -> Failure { .badInput("operation '\(operation)' \(what)") }
}
