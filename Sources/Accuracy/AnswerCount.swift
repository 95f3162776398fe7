import Bundles
public import Prompts
import Runtime
public import Storage
public import Tessera

/// How many questions about pictures a model answers right.
public struct AnswerCount: Sendable {
    /// A question that was put.
    public struct Item: Equatable, Sendable {
        /// What was asked, and what is right.
        public let question: AnswerQuestion
        /// The model's answer.
        public let answer: String
        /// The places that it names, in pixels of the picture.
        public let places: [LocatedObject]
        /// The picture as it was given.
        public let picture: ImageSize

        /// A question that was answered.
        public init(
            _ question: AnswerQuestion, answer: String, places: [LocatedObject] = [], picture: ImageSize
        ) {
            self.question = question
            self.answer = answer
            self.places = places
            self.picture = picture
        }

        /// Whether it is a right answer, normalised (``AnswerText/normalized(_:)``); where only boxes are expected, whether it
        /// names each of them, more than half overlapping, and no other.
        public var isRight: Bool {
            guard !question.expected.isEmpty else { return agreement.isWhole }
            let answer = AnswerText.normalized(answer)
            return question.expected.contains { AnswerText.normalized($0) == answer }
        }

        /// The same letter for letter.
        public var isExact: Bool {
            question.expected.isEmpty ? agreement.isWhole : question.expected.contains(answer)
        }

        /// How alike to a right answer it is, between 0 and 1 (``AnswerText/similarity(_:to:)``); nil where only boxes are expected.
        public var similarity: Double? {
            question.expected.isEmpty ? nil : AnswerText.similarity(answer, to: question.expected)
        }

        private var agreement: PlaceAgreement {
            var agreement = PlaceAgreement()
            agreement.add(expected: question.boxes, found: places, in: picture)
            return agreement
        }
    }

    /// The bundle of the model that answered.
    public let model: String
    /// All questions in the order of the file.
    public let items: [Item]

    /// Answers of a model.
    public init(model: String, items: [Item]) {
        self.model = model
        self.items = items
    }

    /// Asks every question of a file (``AnswerQuestion/questions(file:)``), greedily; images are named from the file's folder.
    /// - Throws: `badInput` when the file is malformed.
    public init(_ model: Model, file path: String, maximumTokens: Int = 64) throws(Failure) {
        var items: [Item] = []
        for question in try AnswerQuestion.questions(file: path) {
            let image =
                question.image.hasPrefix("/")
                ? question.image : Path.join(Path.directory(path), question.image)
            let picture = try model.picture(image)
            let prompt = try Session(model, capacity: 1).prepare([.image(picture), .text(question.question)])
            let session = try Session(model, capacity: prompt.tokens.count + maximumTokens)
            let answer: Session.Answer
            do throws(Failure) {
                answer = try session.answer(
                    prompt, options: .init(sampling: .init(), maximumTokens: maximumTokens))
            } catch { throw error.located(in: model.bundle.path) }
            let original = try model.decoder.size(file: image, model.prompt.images.reading)
            // Special tokens mark places.
            let marked = try model.requireTokenizer().decode(answer.tokens, skipSpecials: false)
            let places = model.prompt.coordinates.objects(
                in: marked, original: original, resized: try model.prompt.images.smartResize(original))
            items.append(Item(question, answer: answer.text, places: places.objects, picture: original))
        }
        self.init(model: model.bundle.path, items: items)
    }

    /// How many answers are right, normalised.
    public var right: Int { items.count { $0.isRight } }

    /// How many answers are right letter for letter.
    public var exact: Int { items.count { $0.isExact } }

    /// The share that is right.
    public var accuracy: Estimate { Estimate(meanOf: items.map { $0.isRight ? 1 : 0 }) }

    /// The mean similarity of answers to right ones: ANLS; nil where only boxes are expected.
    public var similarity: Double? {
        let known = items.compactMap(\.similarity)
        return known.isEmpty ? nil : known.reduce(0, +) / Double(known.count)
    }

    /// The places of answers beside those that are expected, of the questions that expect some.
    public var places: PlaceAgreement {
        items.reduce(into: PlaceAgreement()) { sum, item in
            guard !item.question.boxes.isEmpty else { return }
            sum.add(expected: item.question.boxes, found: item.places, in: item.picture)
        }
    }

    /// That not one answer is right; nil when one is.
    public var failure: Failure? {
        right > 0
            ? nil : Failure(.mismatch, "not one of \(items.count) answers is right", file: model)
    }
}
