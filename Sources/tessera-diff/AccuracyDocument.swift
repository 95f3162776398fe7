import Accuracy
import Prompts
import Storage

/// Right and wrong answers of two models, as a part of a document; `formats/diff.md`.
struct AccuracyDocument {
    let json: JSON

    init(_ answers: AnswerComparison) {
        let pairs = zip(answers.base.items, answers.other.items)
        json = .pairs([
            "questions": .int(answers.base.items.count), "base_right": .int(answers.base.right),
            "other_right": .int(answers.other.right), "drop": .measure(answers.accuracyDrop),
            "drop_error": .measure(100 * answers.difference.standardError),
            "p_value": .measure(answers.pValue), "only_base": .int(answers.onlyBaseRight),
            "only_other": .int(answers.onlyOtherRight),
            "wrong": .array(pairs.filter { !$0.isRight || !$1.isRight }.map(AccuracyDocument.wrong)),
        ])
    }

    private static func wrong(_ base: AnswerCount.Item, _ other: AnswerCount.Item) -> JSON {
        var members: [JSON.Member] = [
            .init("image", .string(base.question.image)), .init("question", .string(base.question.question)),
            .init("expected", .string(expected(base.question))), .init("base_answer", .string(base.answer)),
            .init("other_answer", .string(other.answer)),
        ]
        var agreement = PlaceAgreement()
        agreement.add(expected: base.places, found: other.places, in: base.picture)
        if let overlap = agreement.meanOverlap { members.append(.init("iou", .measure(overlap))) }
        if let distance = agreement.meanDistance {
            members.append(.init("click_distance", .measure(distance)))
        }
        return .object(members)
    }

    private static func expected(_ question: AnswerQuestion) -> String {
        question.expected.isEmpty
            ? question.boxes.map(\.coordinates).joined(separator: ", ")
            : question.expected.joined(separator: " / ")
    }
}
