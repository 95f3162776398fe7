import Prompts
import Storage
import TestSupport
import Testing

@testable import Accuracy

/// What counts as right, and what two models' answers say of them.
@Suite struct AnswerTests {
    @Test(arguments: [
        ("Yes.", "yes"), ("  The  red\ncircle! ", "red circle"), ("It's 1,000", "its 1000"),
        ("dont", "don’t"),
        ("two dogs", "2 dogs"), ("none", "0"), ("3.5%", "3.5%"), ("10:30 a.m", "10:30 m"),
        ("t-shirt", "T shirt"), ("\"top left\"", "(top left)"), ("caf\u{E9}", "CAFE\u{301}"), ("A", "a."),
        ("-5", "−5 "), ("Größe", "grÖße"), ("1, 2", "1 2"), ("x=3", "x 3"), ("東京。", "東京"),
    ])
    func whatIsTheSameOnceNormalised(a: String, b: String) {
        #expect(AnswerText.normalized(a) == AnswerText.normalized(b), "\(AnswerText.normalized(a))")
    }

    @Test(arguments: [
        ("-5", "5"), ("A", "the"), ("A", "B"), ("1.5", "15"), ("3%", "3"), ("10:30", "1030"), ("red", "blue"),
        ("", "x"),
    ])
    func whatStaysDifferent(a: String, b: String) {
        #expect(AnswerText.normalized(a) != AnswerText.normalized(b))
    }

    @Test func similarityIsANLS() {
        #expect(AnswerText.similarity("Hello  World", to: ["hello world"]) == 1)
        #expect(AnswerText.similarity("kitten", to: ["sitting", "x"]) == 1 - 3.0 / 7)
        #expect(AnswerText.similarity("kitten", to: ["mittens", "kittens"]) == 1 - 1.0 / 7)
        // Half of the characters and more are too many.
        #expect(AnswerText.similarity("abcd", to: ["abxy"]) == 0)
        #expect(AnswerText.similarity("a", to: [String(repeating: "a", count: 10_000)]) == 0)
        #expect(AnswerText.similarity("", to: [""]) == 1 && AnswerText.similarity("", to: ["a"]) == 0)
    }

    /// Exact two-sided p values: 2·Σ C(n, i)/2ⁿ.
    @Test(arguments: [
        (0, 0, 1.0), (3, 3, 1.0), (1, 0, 1.0), (5, 0, 0.0625), (1, 5, 0.21875), (10, 2, 0.038574218750),
        (2, 10, 0.038574218750), (121, 59, 4.434_449_263_755_176e-06), (0, 2000, 0.0),
    ])
    func mcNemarIsExact(a: Int, b: Int, expected: Double) {
        #expect(abs(AnswerComparison.mcNemar(a, b) - expected) < 1e-6 * expected + 1e-15)
    }

    private static let size = ImageSize(width: 300, height: 400)

    private static func object(_ numbers: Int...) -> LocatedObject {
        LocatedObject(
            label: nil,
            points: stride(from: 0, to: numbers.count, by: 2).map {
                .init(x: numbers[$0], y: numbers[$0 + 1])
            })
    }

    @Test func boxesArePairedByOverlap() throws {
        var agreement = PlaceAgreement()
        #expect(agreement.isEmpty && agreement.meanOverlap == nil && agreement.hitShare == nil)
        // The second that is found overlaps the first expected by 9/11, the first by 5/15.
        agreement.add(
            expected: [Self.object(0, 0, 10, 10), Self.object(100, 100, 110, 110)],
            found: [Self.object(5, 0, 15, 10), Self.object(1, 0, 11, 10)], in: Self.size)
        #expect(agreement.overlaps == [90.0 / 110] && agreement.hits == 1 && agreement.hitShare == 0.5)
        #expect(agreement.expectedBoxes == 2 && agreement.foundBoxes == 2 && !agreement.isWhole)
        // Exactly one half is no hit; a quadrangle counts as the box around it.
        agreement = PlaceAgreement()
        agreement.add(
            expected: [Self.object(0, 0, 10, 10), Self.object(50, 50, 60, 60)],
            found: [Self.object(0, 0, 10, 5), Self.object(55, 50, 60, 55, 55, 60, 50, 55)], in: Self.size)
        #expect(agreement.overlaps == [1, 0.5] && agreement.hits == 1 && agreement.meanOverlap == 0.75)
        // Without an area only the same is the same.
        agreement = PlaceAgreement()
        agreement.add(
            expected: [Self.object(5, 5, 5, 5)], found: [Self.object(5, 5, 5, 5)], in: Self.size)
        #expect(agreement.isWhole && agreement.overlaps == [1])
    }

    @Test func pointsArePairedByDistance() throws {
        var agreement = PlaceAgreement()
        agreement.add(
            expected: [Self.object(0, 0), Self.object(100, 0)],
            found: [Self.object(100, 5), Self.object(3, 4), Self.object(200, 200)], in: Self.size)
        #expect(agreement.distances == [5, 5] && agreement.foundPoints == 3)
        // The diagonal of 300 × 400 is 500.
        #expect(agreement.meanDistance == 5 && agreement.meanRelativeDistance == 0.01)
        #expect(agreement.overlaps.isEmpty)
    }

    private static func count(_ answers: [String], model: String = "m") -> AnswerCount {
        let items = answers.enumerated().map { index, answer in
            AnswerCount.Item(
                AnswerQuestion(image: "\(index).png", question: "?", expected: ["The cat", "kitty"]),
                answer: answer, picture: size)
        }
        return AnswerCount(model: model, items: items)
    }

    @Test func answersAreComparedInPairs() throws {
        let base = Self.count(["cat", "Kitty.", "cat", "The cat", "dog"])
        let other = Self.count(["cat", "dog", "dog", "cats", "kitty"], model: "quantized")
        #expect(base.right == 4 && base.exact == 1 && base.accuracy.value == 0.8)
        let comparison = try AnswerComparison(base, other)
        #expect(comparison.bothRight == 1 && comparison.onlyBaseRight == 3 && comparison.onlyOtherRight == 1)
        #expect(comparison.sameAnswers == 1 && comparison.accuracyDrop == 40)
        #expect(comparison.difference.value == -0.4)
        // Differences 0, −1, −1, −1, 1: their variance is 4/5 − 4/25.
        #expect(abs(comparison.difference.standardError - (0.64 / 4).squareRoot()) < 1e-12)
        #expect(comparison.pValue == 0.625)
        #expect(comparison.drop(beyond: 40) == nil)
        let failure = try #require(comparison.drop(beyond: 39))
        #expect(failure.kind == .mismatch && failure.message.contains("--max-accuracy-drop"))
        #expect(throws: Failure.self) { try AnswerComparison(base, Self.count(["cat"])) }
        #expect(throws: Failure.self) { try AnswerComparison(Self.count([]), Self.count([])) }
    }

    /// Where only boxes are expected, they are what is right.
    @Test func boxesAloneCanBeRight() {
        let question = AnswerQuestion(
            image: "i", question: "?", expected: [], boxes: [Self.object(0, 0, 10, 10)])
        func isRight(_ places: LocatedObject...) -> Bool {
            AnswerCount.Item(question, answer: "text", places: places, picture: Self.size).isRight
        }
        #expect(isRight(Self.object(0, 0, 10, 9)))
        #expect(!isRight() && !isRight(Self.object(0, 0, 10, 5)))
        #expect(!isRight(Self.object(0, 0, 10, 9), Self.object(50, 50, 60, 60)))
    }

    private func questions(_ text: String) throws -> [AnswerQuestion] {
        let directory = try TemporaryDirectory()
        let file = directory.file("answers.json")
        try writeFile(file, Array(text.utf8))
        return try AnswerQuestion.questions(file: file)
    }

    @Test func questionsAreRead() throws {
        let read = try questions(
            """
            [{"image": "a", "question": "q", "answer": "x"},
             {"image": "a", "question": "q", "expected": ["x", "y"], "answer": "z"},
             {"image": "a", "question": "q", "expected_boxes": [[1, 2.6, 3, 4]]}]
            """)
        #expect(read.map(\.expected) == [["x"], ["x", "y"], []])
        #expect(read[2].boxes == [Self.object(1, 3, 3, 4)])
    }

    @Test(
        arguments: [
            "{}", "[]", "[1]", #"[{"image": "a", "question": "q"}]"#,
            #"[{"image": "a", "question": "q", "expected": []}]"#,
            #"[{"image": "a", "question": "q", "expected": ["x", 1]}]"#,
            #"[{"image": "a", "question": "q", "expected": 1}]"#,
            #"[{"image": "a", "answer": "x"}]"#,
        ]
            + ["[]", "1", "[[1,2,3]]", "[[1,2,3,1e300]]", "[[-1,2,3,4]]", "[[5,2,3,4]]", "[[1,2,3,\"4\"]]"]
            .map {
                #"[{"image": "a", "question": "q", "answer": "x", "expected_boxes": "# + $0 + "}]"
            })
    func questionsThatAreNoneAreRefused(text: String) throws {
        do {
            _ = try questions(text)
            Issue.record("\(text) was read")
        } catch let failure as Failure {
            #expect(failure.kind == .badInput && failure.file != nil)
        }
    }
}
