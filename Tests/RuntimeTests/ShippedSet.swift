import SampleSets
import Storage
import TestSupport

/// A set that ships with the program, as tests look at it.
struct ShippedSet {
    /// A conversation, the name of its file and its line.
    struct Entry {
        let json: JSON
        let file: String
        let line: Int

        var messages: [JSON] { json["messages"]?.array ?? [] }
        var roles: [String] { messages.compactMap { $0["role"]?.string } }
        var parts: [JSON] { messages.flatMap { $0["content"]?.array ?? [] } }
        var pictures: [String] { parts.compactMap { $0["image"]?.string } }
        var texts: [String] {
            messages.compactMap { $0["content"]?.string } + parts.compactMap { $0["text"]?.string }
        }
    }

    let entries: [Entry]
    /// Where its files are embedded from.
    let folder: String

    init(_ set: DefaultSet) throws {
        entries = try set.conversations().compactMap { source in
            guard case .shipped(let json, set, let file, let line) = source else { return nil }
            return Entry(json: json, file: Path.name(file), line: line)
        }
        let name =
            switch set {
            case .calibration: "set"
            case .evaluation: "evaluation"
            }
        folder = Fixtures.path("../../Sources/CDefaultSet/\(name)")
    }

    /// The names of its pictures in the folder.
    var pictures: [String] {
        get throws { try Path.list(folder).filter { !$0.hasSuffix(".jsonl") } }
    }
}
