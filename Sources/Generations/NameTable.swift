import Storage

/// Maps published tensor names to graph slots; read from `formats/<generation>.json`.
struct NameTable {
    /// A published prefix and the canonical one that replaces it.
    private struct Prefix {
        let published: String
        let canonical: String
    }

    /// What is known of a slot's source.
    struct Source {
        let slot: String
        /// The published shape, where it differs from the slot's: numbers, or keys of the configuration.
        let shape: [String]?
    }

    let generation: String
    let modelTypes: [String]
    private let prefixes: [Prefix]
    /// By canonical name, with `{i}` where a block's number stands.
    private let sources: [String: Source]

    init(_ text: [UInt8]) throws(Failure) {
        let json = try JSON(parsing: text)
        guard let generation = json["generation"]?.string, let modelTypes = json["model_types"]?.strings,
            let prefixes = json["prefixes"]?.array, let tensors = json["tensors"]?.array
        else { throw .badInput("the name table is malformed") }
        self.generation = generation
        self.modelTypes = modelTypes
        self.prefixes = try prefixes.map { (pair) throws(Failure) in
            guard let words = pair.strings, words.count == 2 else { throw .badInput("a prefix is malformed") }
            return Prefix(published: words[0], canonical: words[1])
        }
        var sources: [String: Source] = [:]
        for tensor in tensors {
            guard let source = tensor["source"]?.string, let slot = tensor["slot"]?.string else {
                throw .badInput("a tensor of the name table is malformed")
            }
            sources[source] = Source(slot: slot, shape: tensor["shape"]?.strings)
        }
        self.sources = sources
    }

    /// The slot that a published name fills; nil for a name that the table does not know.
    func source(of published: String) -> Source? {
        guard let prefix = prefixes.first(where: { published.hasPrefix($0.published) }) else { return nil }
        let canonical = prefix.canonical + published.dropFirst(prefix.published.count)
        if let source = sources[canonical] { return source }
        var words = canonical.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        // Only the plain decimal form is a block's number: `01` or `+1` would let two names fill one slot.
        guard let at = words.firstIndex(where: { Int($0).map(String.init) == $0 }) else { return nil }
        let number = words[at]
        words[at] = "{i}"
        guard let source = sources[words.joined(separator: ".")] else { return nil }
        return Source(slot: replacing("{i}", by: number, in: source.slot), shape: source.shape)
    }

    private func replacing(_ mark: String, by text: String, in name: String) -> String {
        name.split(separator: ".").map { $0 == mark ? text : String($0) }.joined(separator: ".")
    }
}
