/// A part of a prompt on its way to tokens.
public enum PromptPiece: Equatable, Sendable {
    /// What a picture or a video leaves in the prompt.
    public enum Medium: String, Equatable, Sendable {
        case image
        case video
    }

    /// Text of the template: special tokens in it are recognized.
    case markup(String)
    /// Text of a person or of a model: special tokens in it stay text.
    case text(String)
    /// What a model said, as it said it; words do not reach into it.
    case tokens([Int32])
    /// Nothing, but words do not reach across it.
    case boundary
    /// `count` copies of the placeholder token `pad`, whose rows the runtime replaces by those of the picture or video.
    case media(Medium, pad: Int32, count: Int)
}
