import Formats
import Storage

/// Maps published tensor names to graph slots; read from `formats/<generation>.json`.
struct NameTable {
    /// A published prefix and the canonical one that replaces it.
    private struct Prefix {
        let published: String
        let canonical: String
    }

    /// What of a published tensor goes into a slot.
    enum Taking: Equatable {
        /// All of it, row by row.
        case whole
        /// One of equal parts of its rows.
        case part(Int, of: Int)
        /// All of it, whose rows alternate between so many parts within each head.
        case interleaved(heads: String, parts: Int)
        /// All of it, with rows and columns exchanged.
        case transposed
        /// One of equal parts of the rows of each expert; experts lie one after the other, inputs first or outputs first.
        case experts(part: Int, of: Int)
        /// All of it, as one expert's part of the slot.
        case expert(Int)
    }

    /// What is known of a slot's source.
    struct Source {
        let slot: String
        /// The published shape, where it differs from the slot's: numbers, or keys of the configuration.
        let shape: [String]?
        let taking: Taking
    }

    private let prefixes: [Prefix]
    /// By canonical name, with `{i}` where a block's number stands and `{e}` where an expert's does.
    private let sources: [String: [Source]]

    init(of generation: any Generation.Type) throws(Failure) {
        guard let file = Formats.nameTables.first(where: { $0.name == generation.name }) else {
            throw .badInput("there is no name table '\(generation.name)'")
        }
        let json = try JSON(parsing: file.json)
        guard let prefixes = json["prefixes"]?.array, let tensors = json["tensors"]?.array else {
            throw .badInput("the name table is malformed")
        }
        self.prefixes = try prefixes.map { (pair) throws(Failure) in
            guard let words = pair.strings, words.count == 2 else { throw .badInput("a prefix is malformed") }
            return Prefix(published: words[0], canonical: words[1])
        }
        var sources: [String: [Source]] = [:]
        for tensor in tensors {
            guard let source = tensor["source"]?.string, let slot = tensor["slot"]?.string else {
                throw .badInput("a tensor of the name table is malformed")
            }
            let taking = try Taking(tensor["take"])
            sources[source, default: []].append(
                Source(slot: slot, shape: tensor["shape"]?.strings, taking: taking))
        }
        self.sources = sources
    }

    /// What published names begin with.
    var publishedPrefixes: [String] { prefixes.map(\.published) }

    /// The slots that a name fills, as published or in a form that other tools make of it; none for one that is unknown.
    func sources(of name: String) -> [Source] { match(name)?.sources ?? [] }

    /// The slots that a name fills, and the published name that it stands for.
    func match(_ name: String) -> (sources: [Source], published: String)? {
        let sources = published(name)
        if !sources.isEmpty { return (sources, name) }
        for form in NameForms.others(for: name, prefixes: publishedPrefixes) {
            let sources = published(form)
            if !sources.isEmpty { return (sources, form) }
        }
        return nil
    }

    private func published(_ published: String) -> [Source] {
        guard let prefix = prefixes.first(where: { published.hasPrefix($0.published) }) else { return [] }
        let canonical = prefix.canonical + published.dropFirst(prefix.published.count)
        if let sources = sources[canonical] { return sources }
        // Only the plain decimal form is a number: `01` or `+1` would let two names fill one slot.
        var marks = ["{i}", "{e}"][...]
        var numbers: [Int] = []
        let words = canonical.split(separator: ".", omittingEmptySubsequences: false).map { word in
            guard let number = Int(word), String(number) == word, number >= 0, let mark = marks.popFirst()
            else { return String(word) }
            numbers.append(number)
            return mark
        }
        return (sources[words.joined(separator: ".")] ?? []).map { source in
            let slot = source.slot.split(separator: ".").map { $0 == "{i}" ? "\(numbers[0])" : String($0) }
            let taking = numbers.count > 1 ? Taking.expert(numbers[1]) : source.taking
            return Source(slot: slot.joined(separator: "."), shape: source.shape, taking: taking)
        }
    }
}

extension NameTable.Taking {
    /// Reads the member `take` of a tensor of a name table; absent, all of it is taken.
    fileprivate init(_ json: JSON?) throws(Failure) {
        guard let json else {
            self = .whole
            return
        }
        if json.string == "transposed" {
            self = .transposed
        } else if let heads = json["heads"]?.string, let parts = json["parts"]?.int, parts > 0 {
            self = .interleaved(heads: heads, parts: parts)
        } else if let part = json["part"]?.int, let count = json["of"]?.int, (0..<count).contains(part) {
            self = json["experts"]?.bool == true ? .experts(part: part, of: count) : .part(part, of: count)
        } else {
            throw .badInput("the name table takes \(json.serialized())")
        }
    }
}
