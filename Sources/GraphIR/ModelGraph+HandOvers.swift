/// Rows that one graph gives and another takes.
public struct HandOver: Hashable, Sendable {
    /// The name of the graph whose output they are.
    public let source: String
    /// The name of the graph that takes them.
    public let target: String
    /// The name of that graph's input.
    public let input: String
}

extension ModelGraph {
    /// What its graphs hand to one another, whatever the model: whoever runs them feeds these rows as they are.
    public static let handOvers = [
        HandOver(source: "vision", target: "text", input: "visuals"),
        HandOver(source: "text", target: "head", input: "hidden"),
    ]
}
