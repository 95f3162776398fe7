import Accuracy
import Prompts
import SampleSets
import Storage
import TestSupport
import Testing

/// The evaluation set that ships with the program: what it expects, and that it shares nothing with the calibration set.
@Suite struct EvaluationSetTests {
    private let evaluation: ShippedSet
    private let calibration: ShippedSet

    init() throws {
        (evaluation, calibration) = (try ShippedSet(.evaluation), try ShippedSet(.calibration))
    }

    private static func words(_ text: String) -> [String] {
        text.lowercased().split { !$0.isLetter && !$0.isNumber }.map(String.init)
    }

    /// Every accepted answer has words that are compared, and none stands there twice.
    @Test func expectedAnswersCanBeCompared() throws {
        var questions = 0
        for entry in evaluation.entries {
            guard let expected = entry.json["expected"] else { continue }
            let accepted = try #require(expected.string.map { [$0] } ?? expected.strings)
            let hasWords = accepted.allSatisfy { !Self.words(AnswerText.normalized($0)).isEmpty }
            #expect(!accepted.isEmpty && hasWords, "\(entry.file): \(entry.line)")
            #expect(Set(accepted).count == accepted.count, "\(entry.file): \(entry.line)")
            questions += 1
        }
        #expect(questions >= 25)
    }

    /// Every picture decodes, and expected boxes lie in the last one of their conversation.
    @Test func picturesDecodeAndHoldTheirBoxes() throws {
        var sizes: [String: ImageSize] = [:]
        for name in try evaluation.pictures {
            sizes[name] = try ImageDecoder().decode(file: Path.join(evaluation.folder, name)).size
        }
        var places = 0
        for entry in evaluation.entries {
            guard let boxes = entry.json["expected_boxes"]?.array else { continue }
            let size = try #require(entry.pictures.last.flatMap { sizes[$0] })
            #expect(!boxes.isEmpty)
            for box in boxes {
                let sides = (box.array ?? []).compactMap(\.int)
                try #require(sides.count == 4)
                #expect(
                    0 <= sides[0] && sides[0] < sides[2] && sides[2] <= size.width,
                    "\(entry.file): \(entry.line)")
                #expect(
                    0 <= sides[1] && sides[1] < sides[3] && sides[3] <= size.height,
                    "\(entry.file): \(entry.line)")
            }
            places += 1
        }
        #expect(places >= 4)
    }

    @Test func nothingIsSharedWithTheCalibrationSet() throws {
        #expect(Set(texts(evaluation)).isDisjoint(with: texts(calibration)))
        #expect(sequences(evaluation).isDisjoint(with: sequences(calibration)))
        #expect(try pictures(evaluation).isDisjoint(with: pictures(calibration)))
    }

    private func texts(_ set: ShippedSet) -> [String] { set.entries.flatMap(\.texts) }

    /// All sequences of eight words.
    private func sequences(_ set: ShippedSet) -> Set<[String]> {
        var found: Set<[String]> = []
        for text in texts(set) {
            let words = Self.words(text)
            for start in 0..<max(0, words.count - 7) { found.insert(Array(words[start..<start + 8])) }
        }
        return found
    }

    private func pictures(_ set: ShippedSet) throws -> Set<[UInt8]> {
        Set(try set.pictures.map { try readFile(Path.join(set.folder, $0)) })
    }
}
