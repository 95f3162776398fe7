/// What a weight is for, in dotted words from the general to the particular: `text.attention.q`, `vision.mlp.down`.
///
/// Recipes, allocation and reports choose and group weights by role; they never look at names.
public struct Role: Hashable, Sendable, CustomStringConvertible {
    /// The dotted words.
    public let description: String

    /// A role of those dotted words.
    public init(_ text: String) { description = text }

    /// The roles that weights of graphs have; `formats/graph.md` lists them.
    public static let known: [Role] = [
        "text.embedding", "text.head", "text.attention.q", "text.attention.k", "text.attention.v",
        "text.attention.qkv", "text.attention.gate", "text.attention.output", "text.linear_attention.qkv",
        "text.linear_attention.gate", "text.linear_attention.decay", "text.linear_attention.write",
        "text.linear_attention.output", "text.mlp.gate", "text.mlp.up", "text.mlp.down",
        "text.router", "text.experts.gate", "text.experts.up", "text.experts.down", "text.shared_expert.gate",
        "text.shared_expert.up", "text.shared_expert.down", "text.shared_expert_gate", "vision.patch_embed",
        "vision.attention.qkv", "vision.attention.output", "vision.mlp.gate", "vision.mlp.up",
        "vision.mlp.down", "vision.merger.up", "vision.merger.down", "vision.feature.up",
        "vision.feature.down", "vision.resampler.input", "vision.resampler.q", "vision.resampler.k",
        "vision.resampler.v", "vision.resampler.output", "vision.projection",
    ].map { Role($0) }

    /// Whether the role fits a pattern of dotted words, in which `*` stands for any run of characters.
    public func matches(_ pattern: String) -> Bool {
        Role.matches(Array(description.utf8)[...], Array(pattern.utf8)[...])
    }

    private static func matches(_ text: ArraySlice<UInt8>, _ pattern: ArraySlice<UInt8>) -> Bool {
        // The classic two-pointer walk: on a mismatch, let the last star swallow one more character.
        var (i, j) = (text.startIndex, pattern.startIndex)
        var star: Int?
        var resume = i
        while i < text.endIndex {
            if j < pattern.endIndex, pattern[j] == UInt8(ascii: "*") {
                (star, resume) = (j, i)
                j += 1
            } else if j < pattern.endIndex, pattern[j] == text[i] {
                i += 1
                j += 1
            } else if let last = star {
                resume += 1
                (i, j) = (resume, last + 1)
            } else {
                return false
            }
        }
        return pattern[j...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
