import Bundles
import Prompts
import Runtime
public import Storage
public import Tessera

/// How many questions about pictures a model answers right.
public struct AnswerCount {
    /// A question that was put.
    public struct Item: Sendable {
        /// The picture's file name.
        public let image: String
        /// What was asked.
        public let question: String
        /// The right answer.
        public let expected: String
        /// The model's answer.
        public let answer: String

        /// Whether it is the right answer, letter for letter.
        public var isRight: Bool { expected == answer }
    }

    /// The bundle of the model that answered.
    public let model: String
    /// All questions in the order of the file.
    public let items: [Item]

    /// How many answers are right.
    public var right: Int { items.count { $0.isRight } }

    /// Asks every question of a JSON file `[{ "image", "question", "answer" }]`, greedily; images are named from the file's
    /// folder.
    /// - Throws: `badInput` when the file is malformed.
    public init(_ model: Model, file path: String) throws(Failure) {
        guard let entries = try JSON(file: path).array, !entries.isEmpty else {
            throw .badInput("holds no list of questions", file: path)
        }
        var items: [Item] = []
        for (index, entry) in entries.enumerated() {
            guard let image = entry["image"]?.string, let question = entry["question"]?.string,
                let expected = entry["answer"]?.string
            else {
                throw .badInput("lacks 'image', 'question' or 'answer'", file: path, at: "entry \(index)")
            }
            let picture = try model.picture(Path.join(Path.directory(path), image))
            let prompt = try Session(model, capacity: 1).prepare([.image(picture), .text(question)])
            let session = try Session(model, capacity: prompt.tokens.count + 64)
            let text: String
            do throws(Failure) {
                text = try session.answer(prompt, options: .init(sampling: .init(), maximumTokens: 64)).text
            } catch { throw error.located(in: model.bundle.path) }
            items.append(Item(image: image, question: question, expected: expected, answer: text))
        }
        self.model = model.bundle.path
        self.items = items
    }

    /// That not one answer is right; nil when one is.
    public var failure: Failure? {
        right > 0
            ? nil : Failure(.mismatch, "not one of \(items.count) answers is right", file: model)
    }
}
