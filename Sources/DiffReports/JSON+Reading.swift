import Storage

/// A document may be old, edited by hand or somebody else's: what has another type than the contract's is taken for absent.
extension JSON {
    /// A measure: a number, or one of the words for those that JSON has not.
    var measure: Double? {
        switch self {
        case "infinite": .infinity
        case "-infinite": -.infinity
        case "not a number": .nan
        default: double
        }
    }

    /// The measure that a key stands for.
    func measure(_ key: String) -> Double? { self[key]?.measure }

    /// The text that a key stands for; nil when it is empty.
    func text(_ key: String) -> String? {
        guard let text = self[key]?.string, !text.isEmpty else { return nil }
        return text
    }

    /// What a key's array holds of one kind; nil when there is no such array.
    func list<Part>(_ key: String, _ make: (JSON) -> Part?) -> [Part]? {
        self[key]?.array.map { $0.compactMap(make) }
    }
}
