/// E[x²] of each column of what is multiplied by a weight; of a mixture, of what each expert's rows are multiplied by.
public struct MeanSquares: Equatable, Sendable {
    /// Of each expert: K values, finite and not negative.
    private let experts: [[Float]]

    /// The rows' worth of what all experts read that each expert's are mixed with.
    ///
    /// A column's mean square over n rows errs by about √(2/n) of itself: of fewer than so many rows, others know more.
    static let sharedRows = 16.0

    /// Of what all rows of a weight are multiplied by.
    public init(_ values: [Float]) { experts = [values] }

    /// Of the experts of a mixture, each with as many columns.
    public init(experts: [[Float]]) { self.experts = experts }

    /// How many experts share the weight; 1 for what is no mixture.
    public var count: Int { experts.count }

    /// Those of an expert.
    public subscript(expert: Int) -> [Float] { experts[expert] }
}
