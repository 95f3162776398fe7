import Storage

/// What an operation is: its name and attributes, the types that it takes and gives, and how its rows hang together.
protocol OperationDefinition: Hashable, Sendable {
    /// Its name in text and JSON.
    static var name: String { get }
    /// How many operands it may have.
    static var operandCount: ClosedRange<Int> { get }
    /// The attributes that its JSON may leave out.
    static var optionalAttributes: Set<String> { get }
    /// Whether each row of the result is made of the same row of every operand.
    static var treatsRowsAlone: Bool { get }

    /// Reads its attributes.
    /// - Throws: `badInput` saying what is missing or unknown.
    init(_ attributes: OperationAttributes) throws(Failure)

    /// It as a graph's node has it.
    var operation: Operation { get }
    /// Everything but the name, in the order in which it is printed.
    var attributes: [JSON.Member] { get }
    /// The use of the weight by which an embedding or a linear multiplies, experts' among them.
    var weightUse: Operation.WeightUse? { get }
    /// The names of all weights that it reads.
    var weightNames: [String] { get }
    /// Whether a row of the result is made of several rows of one operand, within one run.
    var letsRowsMeet: Bool { get }
    /// What it keeps of a sequence from one run to the next.
    var state: LayerState? { get }

    /// The type of the result.
    ///
    /// The one place that says what is legal: graphs are checked by it when built and again when a bundle is opened.
    /// - Throws: `badInput` saying what does not fit.
    func resultType(of operands: OperandTypes) throws(Failure) -> ValueType
}

extension OperationDefinition {
    /// None.
    static var optionalAttributes: Set<String> { [] }
    /// It does not.
    static var treatsRowsAlone: Bool { false }
    /// None.
    var attributes: [JSON.Member] { [] }
    /// None.
    var weightUse: Operation.WeightUse? { nil }
    /// That of `weightUse`.
    var weightNames: [String] { weightUse.map { [$0.weight] } ?? [] }
    /// It does not.
    var letsRowsMeet: Bool { false }
    /// None.
    var state: LayerState? { nil }
}

extension Operation {
    /// The name in text and JSON.
    public var name: String { type(of: definition).name }
    /// Everything but the name, in the order in which it is printed.
    var attributes: [JSON.Member] { definition.attributes }
    /// The names of those that it may have.
    var attributeNames: Set<String> {
        type(of: definition).optionalAttributes.union(definition.attributes.map(\.key))
    }
    /// The use of the weight by which an embedding or a linear multiplies, experts' among them.
    public var weightUse: WeightUse? { definition.weightUse }
    /// The names of the weights that it reads.
    public var weightNames: [String] { definition.weightNames }
    /// Whether each row of the result is made of the same row of every operand.
    var treatsRowsAlone: Bool { type(of: definition).treatsRowsAlone }
    /// What it keeps of a sequence from one run to the next.
    public var state: LayerState? { definition.state }

    /// Whether it multiplies rows by a weight, an expert's perhaps.
    public var isLinear: Bool {
        switch self {
        case .linear, .expertLinear: true
        default: false
        }
    }

    /// Reads the JSON form.
    /// - Throws: `badInput` for an unknown operation, or saying what it lacks.
    init(json: JSON) throws(Failure) {
        let attributes = OperationAttributes(json)
        let name = try attributes.text("op")
        guard let definition = Operation.definitions.first(where: { $0.name == name }) else {
            throw .badInput("is of the unknown operation '\(name)'", remedy: "a newer Tessera may know it")
        }
        self = try definition.init(attributes).operation
    }

    /// The type of the result, given the types of the operands and the shapes of the weights.
    /// - Throws: `badInput` saying what does not fit.
    func inferType(_ operands: [ValueType], _ shapes: [String: Shape]) throws(Failure) -> ValueType {
        let operands = OperandTypes(operands, shapes, of: name)
        guard type(of: definition).operandCount.contains(operands.count) else {
            throw operands.illegal("has \(operands.count) operands")
        }
        return try definition.resultType(of: operands)
    }
}
