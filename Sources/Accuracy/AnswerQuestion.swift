public import Prompts
public import Storage

/// A question about a picture, and what is right to answer.
public struct AnswerQuestion: Equatable, Sendable {
    /// The picture's file name.
    public let image: String
    /// What is asked.
    public let question: String
    /// Answers that are right; empty where only places are.
    public let expected: [String]
    /// The boxes that an answer shall name, in pixels of the picture; empty where none are known.
    public let boxes: [LocatedObject]

    /// A question with at least one answer or box.
    public init(image: String, question: String, expected: [String], boxes: [LocatedObject] = []) {
        self.image = image
        self.question = question
        self.expected = expected
        self.boxes = boxes
    }

    /// More boxes than anyone marks in a picture.
    private static let mostBoxes = 1000

    /// The questions of a JSON file `[{ "image", "question", "expected", "expected_boxes" }]`. `expected` is a text or a list of
    /// accepted texts, and may be called `answer`; `expected_boxes` are `[x1, y1, x2, y2]` in pixels. One of them is needed.
    /// - Throws: `badInput` when the file is malformed.
    public static func questions(file path: String) throws(Failure) -> [AnswerQuestion] {
        guard let entries = try JSON(file: path).array, !entries.isEmpty else {
            throw .badInput("holds no list of questions", file: path)
        }
        var questions: [AnswerQuestion] = []
        for (index, entry) in entries.enumerated() {
            do { questions.append(try AnswerQuestion(entry)) } catch {
                throw Failure(error.kind, error.message, file: path, at: "entry \(index)")
            }
        }
        return questions
    }

    /// What is known of the answer to a conversation that ends with a question; nil where nothing is.
    /// - Throws: `badInput` when what is said to be known is malformed.
    init?(conversation entry: JSON, image: String?, question: String) throws(Failure) {
        expected = try entry["expected"].map(AnswerQuestion.texts) ?? []
        boxes = try entry["expected_boxes"].map(AnswerQuestion.boxes) ?? []
        guard !expected.isEmpty || !boxes.isEmpty else { return nil }
        (self.image, self.question) = (image ?? "", question)
    }

    private init(_ entry: JSON) throws(Failure) {
        guard let image = entry["image"]?.string, let question = entry["question"]?.string else {
            throw .badInput("lacks 'image' or 'question'")
        }
        self.image = image
        self.question = question
        expected = try (entry["expected"] ?? entry["answer"]).map(AnswerQuestion.texts) ?? []
        boxes = try entry["expected_boxes"].map(AnswerQuestion.boxes) ?? []
        guard !expected.isEmpty || !boxes.isEmpty else {
            throw .badInput("lacks 'expected' ('answer'), a text or a list of texts, and 'expected_boxes'")
        }
    }

    private static func texts(_ json: JSON) throws(Failure) -> [String] {
        if let text = json.string { return [text] }
        let texts = json.array?.compactMap(\.string) ?? []
        guard !texts.isEmpty, texts.count == json.array?.count else {
            throw .badInput("has an 'expected' that is neither a text nor a list of texts")
        }
        return texts
    }

    private static func boxes(_ json: JSON) throws(Failure) -> [LocatedObject] {
        guard let list = json.array, (1...mostBoxes).contains(list.count) else {
            throw .badInput("has 'expected_boxes' that are not 1 to \(mostBoxes) lists")
        }
        var boxes: [LocatedObject] = []
        for box in list {
            let numbers = box.array?.compactMap(\.double).map { $0.rounded() } ?? []
            // No picture has a side of more.
            guard numbers.count == 4, box.array?.count == 4,
                numbers.allSatisfy({ (0...Double(1 << 30)).contains($0) }),
                numbers[0] <= numbers[2], numbers[1] <= numbers[3]
            else { throw .badInput("has a box that is not [left, top, right, bottom] in pixels") }
            let points = [0, 2].map {
                LocatedObject.Point(x: Int(numbers[$0]), y: Int(numbers[$0 + 1]))
            }
            boxes.append(LocatedObject(label: nil, points: points))
        }
        return boxes
    }
}
