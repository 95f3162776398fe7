/// How a conversation is written out for a model: as data, since the templates of checkpoints are programs (Jinja) of which
/// only a few kinds exist. The defaults are those of Qwen2-VL.
public struct ChatTemplate: Equatable, Sendable {
    /// How pictures or videos are written.
    public struct Markup: Equatable, Sendable {
        /// Comes before the placeholders.
        public var prefix: String
        /// The placeholder, one special token, repeated once per token of the medium.
        public var placeholder: String
        /// Comes after the placeholders.
        public var suffix: String
        /// What a numbered medium is called, such as `Picture`: "Picture 1: " comes before its prefix.
        public var label: String

        /// That of a medium which a model does not take.
        public static let none = Markup(prefix: "", placeholder: "", suffix: "", label: "")

        /// Markup from its parts.
        public init(prefix: String, placeholder: String, suffix: String, label: String) {
            self.prefix = prefix
            self.placeholder = placeholder
            self.suffix = suffix
            self.label = label
        }
    }

    /// How a video is written whose frames (temporal patches) stand each by itself, after its time.
    public struct FrameMarkup: Equatable, Sendable {
        /// Comes before the time, which is in seconds with one decimal.
        public var timePrefix: String
        /// Between the time and the placeholders.
        public var prefix: String
        /// Comes after the placeholders.
        public var suffix: String

        /// Markup from its parts.
        public init(timePrefix: String, prefix: String, suffix: String) {
            self.timePrefix = timePrefix
            self.prefix = prefix
            self.suffix = suffix
        }
    }

    /// How a model's reasoning is set apart from its answer.
    public struct Reasoning: Equatable, Sendable {
        /// Begins the reasoning.
        public var start: String
        /// Ends the reasoning.
        public var end: String

        /// Reasoning between `start` and `end`.
        public init(start: String, end: String) {
            self.start = start
            self.end = end
        }
    }

    /// The system message of a conversation that does not start with one; nil for none.
    public var defaultSystemMessage: String? = "You are a helpful assistant."
    /// Starts a turn; the role comes next.
    public var turnStart = "<|im_start|>"
    /// Whether the role is written out; a model without chat training goes on from the bare content.
    public var writesRoles = true
    /// Between the role and the content.
    public var roleEnd = "\n"
    /// Whether the content is cut into words apart from `roleEnd`, so that line breaks on both sides do not merge.
    public var separatesContent = false
    /// Ends a turn. Its first token is the one with which a model ends its answer.
    public var turnEnd = "<|im_end|>\n"
    /// Asks the model for an answer.
    public var generationPrompt = "<|im_start|>assistant\n"
    /// Whether media are always numbered, anew in each message; else on request, through the conversation.
    public var numbersInMessage = false
    /// How pictures are written.
    public var image = Markup(
        prefix: "<|vision_start|>", placeholder: "<|image_pad|>", suffix: "<|vision_end|>", label: "Picture")
    /// How videos are written; ``Markup/none`` for models that take none.
    public var video = Markup(
        prefix: "<|vision_start|>", placeholder: "<|video_pad|>", suffix: "<|vision_end|>", label: "Video")
    /// How each frame of a video is written, between the prefix and the suffix of ``video``; nil where all placeholders
    /// of a video stand in one run.
    public var videoFrame: FrameMarkup?
    /// How reasoning is written, which is left out of answers before the last question; nil where answers are written as
    /// they are.
    public var reasoning: Reasoning?

    /// Qwen2-VL's template, which is Qwen2.5-VL's as well.
    public init() {}
}

/// One turn of a conversation.
public struct Message: Equatable, Sendable {
    /// A part of a turn's content.
    public enum Part: Equatable, Sendable {
        case text(String)
        /// A picture that takes this many tokens (``ImagePlan/tokens``).
        case image(tokens: Int)
        /// A video that takes this many tokens, and the time of each of its frames (temporal patches) in seconds.
        case video(tokens: Int, timestamps: [Double] = [])
    }

    /// `system`, `user` or `assistant`.
    public var role: String
    /// The content, in order.
    public var parts: [Part]

    /// A turn of several parts.
    public init(role: String, parts: [Part]) {
        self.role = role
        self.parts = parts
    }

    /// A turn of text only.
    public init(role: String, text: String) { self.init(role: role, parts: [.text(text)]) }
}
