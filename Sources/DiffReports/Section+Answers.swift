import Storage

extension Section {
    /// The most questions that are listed.
    private static let mostWrong = 5000

    /// Right answers of both.
    static func answers(_ accuracy: AnswerAccuracy) -> Section {
        var summary = HTMLTable(
            "Right answers", .text("questions"), .number("base"), .number("other"), .number("drop, points"),
            .number("p (McNemar, exact)"), .number("only the base"), .number("only the other"))
        summary.add(
            "\(Words.count(accuracy.questions))", "\(right(accuracy.baseRight, accuracy.questions))",
            "\(right(accuracy.otherRight, accuracy.questions))",
            "\(Words.figure(accuracy.drop, error: accuracy.dropError))", "\(Words.figure(accuracy.pValue))",
            "\(Words.count(accuracy.onlyBase))", "\(Words.count(accuracy.onlyOther))")
        return Section(
            id: "answers", title: "Answers",
            body: "\(summary.markup)\(accuracy.wrong.isEmpty ? "" : wrong(accuracy.wrong))")
    }

    private static func right(_ count: Int?, _ questions: Int?) -> String {
        guard let count, let questions, questions > 0 else { return Words.count(count) }
        return "\(Words.count(count)) (\(Words.percent(Double(count) / Double(questions), 1)))"
    }

    private static func wrong(_ wrong: [AnswerAccuracy.Wrong]) -> Markup {
        let hasPlaces = wrong.contains { $0.iou != nil || $0.clickDistance != nil }
        var table =
            hasPlaces
            ? HTMLTable(
                "Questions that one or both answer wrong", .text("question"), .text("picture"),
                .text("expected"),
                .text("base"), .text("other"), .number("overlap (IoU)"), .number("distance of the click"))
            : HTMLTable(
                "Questions that one or both answer wrong", .text("question"), .text("picture"),
                .text("expected"),
                .text("base"), .text("other"))
        for question in wrong.prefix(mostWrong) {
            let said = { (text: String?) -> Markup in
                "<span class=\"said\" dir=\"auto\">\(Words.clipped(text ?? Words.none, 300))</span>"
            }
            let image = question.image.map { Markup.name(Path.name($0)) } ?? ""
            let cells = [
                said(question.question), image, said(question.expected), said(question.baseAnswer),
                said(question.otherAnswer),
            ]
            table.add(
                hasPlaces
                    ? cells + ["\(Words.figure(question.iou))", "\(Words.figure(question.clickDistance))"]
                    : cells)
        }
        return wrong.count > 10
            ? table.folded("Wrong answers", of: wrong.count) : table.markup
    }
}
