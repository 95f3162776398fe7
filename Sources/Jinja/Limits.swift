/// What a template may use up. A checkpoint's template is somebody else's program: it ends within these, whatever it says.
public struct Limits: Equatable, Sendable {
    /// The longest source, in bytes.
    public var sourceBytes: Int
    /// How many expressions and statements may be evaluated.
    public var steps: Int
    /// How deep expressions, blocks, calls and values may nest.
    public var depth: Int
    /// How many bytes may be written.
    public var outputBytes: Int
    /// How much may be made and walked over in all, in bytes of strings: a character that is looked at counts as 10, an
    /// element of a list as 16.
    public var memory: Int

    /// Limits from their parts.
    public init(sourceBytes: Int, steps: Int, depth: Int, outputBytes: Int, memory: Int) {
        self.sourceBytes = sourceBytes
        self.steps = steps
        self.depth = depth
        self.outputBytes = outputBytes
        self.memory = memory
    }

    /// Far more than any published template needs for a conversation that fits a model, and used up within two seconds.
    public static let standard = Limits(
        sourceBytes: 1 << 20, steps: 1_000_000, depth: 400, outputBytes: 16 << 20, memory: 48 << 20)
}
