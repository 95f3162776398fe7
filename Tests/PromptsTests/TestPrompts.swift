import Prompts
import Storage
import Testing

extension PromptSettings {
    /// Settings for writing conversations with one of Tessera's own templates.
    static func writing(_ template: String, _ tokenizer: Tokenizer) throws -> PromptSettings {
        let isFirst = template.hasPrefix("qwen-vl")
        return PromptSettings(
            template: try ChatTemplate(named: template, .given(name: template)),
            videoFrame: template.hasPrefix("qwen3") ? .qwen3VL : nil, images: ImagePreprocessor(),
            positions: PositionRule(.frame, mergeSize: 2),
            imageToken: try #require(tokenizer.id(of: isFirst ? "<imgpad>" : "<|image_pad|>")),
            videoToken: isFirst ? nil : tokenizer.id(of: "<|video_pad|>"), stopTokens: [],
            coordinates: .thousandths)
    }

    /// What a conversation becomes.
    func pieces(_ conversation: Conversation, _ tokenizer: Tokenizer) throws -> [PromptPiece] {
        try write(conversation, tokenizer).pieces
    }
}

extension Tokenizer {
    /// The text that pieces stand for, placeholders repeated.
    func text(of pieces: [PromptPiece]) -> String {
        pieces.map { piece in
            switch piece {
            case .markup(let text), .text(let text): text
            case .boundary: ""
            case .tokens(let ids): decode(ids, skipSpecials: false)
            case .media(_, let pad, let count):
                String(repeating: decode([pad], skipSpecials: false), count: count)
            }
        }.joined()
    }
}
