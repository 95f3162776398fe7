/// The codes that a weight was published as, and whether a bundle can hold them as they are.
public struct PublishedCodes: Hashable, Sendable {
    /// How a bundle can hold them.
    public enum Form: Hashable, Sendable {
        /// Exactly, in this encoding, which has a `PublishedGeometry`.
        case exact(TensorEncoding)
        /// Only as the floats that they stand for, for this reason.
        case floats(because: String)
    }

    /// What they are, for people: `GPTQ codes`; nil where that was said before.
    public let kind: String?
    /// How a bundle can hold them.
    public let form: Form

    /// Codes of a kind that can be held so.
    public init(_ kind: String?, _ form: Form) {
        self.kind = kind
        self.form = form
    }
}
