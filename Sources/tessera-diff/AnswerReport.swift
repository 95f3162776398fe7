import Accuracy
import CommandSupport
import Prompts
import Storage

/// Answers and places as text.
struct AnswerReport {
    /// Whether wrong answers are listed.
    let allAnswers: Bool

    /// Of one model.
    func report(_ count: AnswerCount) -> String {
        var lines: [String] = []
        for item in count.items where allAnswers && !item.isRight {
            let expected =
                item.question.expected.first
                ?? "boxes at " + item.question.boxes.map(\.coordinates).joined(separator: ", ")
            lines.append(
                "\(item.question.image): \(item.question.question) \(expected) was expected, not \(item.answer)"
            )
        }
        lines.append(
            "\(count.model): \(count.right) of \(count.items.count) answers right, "
                + "\(percent(count.accuracy)); \(count.exact) to the letter"
                + (count.similarity.map { ", ANLS \(fixed($0, 4))" } ?? ""))
        lines += places(count.places, "of those expected")
        return lines.joined(separator: "\n")
    }

    /// Of two models, and what lies between them.
    func report(_ comparison: AnswerComparison) -> String {
        let difference = comparison.difference
        let lines =
            [
                report(comparison.base), report(comparison.other),
                "\(comparison.onlyBaseRight) right only by the base, \(comparison.onlyOtherRight) only by the "
                    + "other, \(comparison.sameAnswers) answers the same; accuracy "
                    + "\(difference.value > 0 ? "+" : "")\(percent(difference)), exact McNemar p = "
                    + significant(comparison.pValue),
            ] + places(comparison.places, "of the base's")
        return lines.joined(separator: "\n")
    }

    private func percent(_ share: Estimate) -> String {
        "\(fixed(share.value * 100, 2)) ± \(fixed(share.standardError * 100, 2)) %"
    }

    private func places(_ agreement: PlaceAgreement, _ whose: String) -> [String] {
        var lines: [String] = []
        if let share = agreement.hitShare {
            lines.append(
                "boxes: \(agreement.hits) of \(agreement.expectedBoxes) \(whose) overlap by more than half "
                    + "(\(fixed(share * 100, 2)) %), \(agreement.foundBoxes) named"
                    + (agreement.meanOverlap.map { ", mean IoU of pairs \(fixed($0, 4))" } ?? ""))
        }
        if let distance = agreement.meanDistance, let relative = agreement.meanRelativeDistance {
            lines.append(
                "points: \(agreement.distances.count) of \(agreement.expectedPoints) \(whose) paired, "
                    + "\(fixed(distance, 1)) pixels apart, \(fixed(relative * 100, 2)) % of the diagonal")
        }
        return lines
    }
}

extension AnswerCount {
    var json: JSON {
        .pairs([
            "model": .string(model), "right": .int(right), "questions": .int(items.count),
            "wrong": .array(items.filter { !$0.isRight }.map(\.json)),
            "right_to_the_letter": .int(exact), "accuracy": accuracy.json,
            "anls": similarity.map(JSON.measure) ?? .null, "places": places.isEmpty ? .null : places.json,
        ])
    }
}

extension AnswerCount.Item {
    fileprivate var json: JSON {
        let expected = question.expected.map(JSON.string)
        let entry = JSON.pairs([
            "image": .string(question.image), "question": .string(question.question),
            "expected": expected.count == 1 ? expected[0] : .array(expected), "answer": .string(answer),
        ])
        guard !question.boxes.isEmpty else { return entry }
        return entry.setting("expected_boxes", to: .array(question.boxes.map(\.corners)))
            .setting("places", to: .array(places.map(\.json)))
    }
}

extension LocatedObject {
    /// As `expected_boxes` are written.
    fileprivate var corners: JSON { .array(points.flatMap { [.int($0.x), .int($0.y)] }) }
}

extension AnswerComparison {
    var json: JSON {
        .pairs([
            "accuracy": difference.json, "accuracy_drop": .measure(accuracyDrop),
            "both_right": .int(bothRight), "only_base_right": .int(onlyBaseRight),
            "only_other_right": .int(onlyOtherRight), "same_answers": .int(sameAnswers),
            "p_value": .measure(pValue), "places": places.isEmpty ? .null : places.json,
        ])
    }
}

extension PlaceAgreement {
    fileprivate var json: JSON {
        func figure(_ value: Double?) -> JSON { value.map(JSON.measure) ?? .null }
        return .pairs([
            "expected_boxes": .int(expectedBoxes), "boxes": .int(foundBoxes), "hits": .int(hits),
            "hit_share": figure(hitShare), "mean_iou": figure(meanOverlap),
            "expected_points": .int(expectedPoints), "points": .int(foundPoints),
            "mean_distance": figure(meanDistance), "mean_relative_distance": figure(meanRelativeDistance),
        ])
    }
}
