/// The forms in which published names come after other tools had them: the one table for all generations.
///
/// Compilers, trainers for several devices and adapters wrap modules in others, which then stand in the names; some save a
/// part of a model, without what leads to it, or a model within a model.
enum NameForms {
    /// Modules that wrap another wherever they stand, and hold nothing themselves.
    private static let wrappers: Set<Substring> = [
        "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module", "base_layer",
    ]

    /// What a name may begin with that is not part of it.
    private static let leading = [
        "module.", "base_model.model.", "thinker.", "model.", "language_model.", "transformer.",
    ]

    /// More than names have of them.
    private static let limit = 6

    /// Other names by which `name` may be known, the likeliest first, without `name` itself.
    /// - Parameter prefixes: what published names of the generation begin with.
    static func others(for name: String, prefixes: [String]) -> [String] {
        var forms: [String] = []
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        var rest = Substring(
            parts.contains(where: wrappers.contains)
                ? parts.filter { !wrappers.contains($0) }.joined(separator: ".") : name)
        for _ in 0..<limit {
            forms.append(String(rest))
            // One word alone could be of any module.
            if rest.contains(".") { forms += prefixes.map { $0 + rest } }
            guard let prefix = leading.first(where: rest.hasPrefix) else { break }
            rest = rest.dropFirst(prefix.count)
        }
        return forms.filter { $0 != name }
    }

    /// Whether a tensor is one that models of today make anew when they are loaded: tables of rotary positions, numbers of
    /// positions, masks of attention.
    static func isRecomputed(_ name: String, rank: Int) -> Bool {
        let parts = name.split(separator: ".")
        guard let last = parts.last else { return false }
        switch last {
        case "inv_freq", "original_inv_freq", "position_ids", "masked_bias", "cos_cached", "sin_cached":
            return true
        // The mask of a decoder of the first generation: [1, 1, positions, positions].
        case "bias": return parts.dropLast().last == "attn" && rank == 4
        default: return false
        }
    }

    /// Whether a tensor is of an adapter that was not merged.
    static func isAdapter(_ name: String) -> Bool {
        name.split(separator: ".").contains { $0.hasPrefix("lora_") }
    }

    /// What all of these names begin with, in whole words.
    static func commonPrefix(_ names: [String]) -> String {
        guard var common = names.first.map({ $0.split(separator: ".").dropLast() }) else { return "" }
        for name in names.dropFirst() where !common.isEmpty {
            let parts = name.split(separator: ".")
            common = common.prefix(zip(common, parts).prefix { $0 == $1 }.count)
        }
        return common.map { $0 + "." }.joined()
    }
}
