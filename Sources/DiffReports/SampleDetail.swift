import Storage

/// A sample in full: what was asked and answered, its pictures, and its tokens shaded by their divergence.
struct SampleDetail {
    private let sample: Sample
    private let number: Int
    private let tokens: [ScoredToken]

    /// The `number`th worst of the samples, with so many of its tokens.
    init(_ sample: Sample, number: Int, tokens: Int) {
        self.sample = sample
        self.number = number
        self.tokens = sample.scoredTokens(tokens)
    }

    func markup(_ pictures: inout PictureFigures) -> Markup {
        let figures = sample.pictures.prefix(16).map { pictures.markup($0) }
        let all: Markup = figures.isEmpty ? "" : "<div class=\"pictures\">\(figures)</div>"
        // The worst are open; to print more, open more.
        return """
            <details class="sample"\(number < 3 ? " open" : "")><summary><h4>\(Words.clipped(sample.name, 200))</h4> \
            <span class="note">mean KL \(Words.figure(sample.mean, error: sample.standardError))</span></summary>
            \(prompt)\(answers)\(difference)\(all)\(text)
            </details>

            """
    }

    private var prompt: Markup {
        guard let prompt = sample.prompt else { return "" }
        return "<p class=\"said\" dir=\"auto\"><span class=\"note\">Asked:</span> \(clipped(prompt))</p>\n"
    }

    private func clipped(_ text: String) -> String { Words.clipped(text, SampleLimits.characters) }

    /// Both answers, from where they part marked.
    private var answers: Markup {
        guard let base = sample.baseAnswer, let other = sample.otherAnswer else { return "" }
        guard base != other else {
            return
                "<p class=\"said\" dir=\"auto\"><span class=\"note\">Both answer:</span> \(clipped(base))</p>\n"
        }
        let common = zip(base, other).prefix { $0 == $1 }.count
        let side = { (name: String, text: String) -> Markup in
            let text = clipped(text)
            let end: Markup = text.count > common ? "<mark>\(String(text.dropFirst(common)))</mark>" : ""
            return
                "<div><h5>\(name)</h5><p class=\"said\" dir=\"auto\">\(String(text.prefix(common)))\(end)</p></div>"
        }
        return "<div class=\"pair\">\(side("base answers", base))\(side("other answers", other))</div>\n"
    }

    /// What both find most likely where the answers part.
    private var difference: Markup {
        guard let difference = sample.firstDifference, !(difference.base.isEmpty && difference.other.isEmpty)
        else {
            return ""
        }
        let side = { (name: String, candidates: [AnswerDifference.Candidate]) -> Markup in
            var table = HTMLTable(
                "\(name), token \(difference.token) of the answer", .text("most likely"),
                .number("probability"))
            for candidate in candidates {
                table.add(
                    "<code>\(SampleDetail.visible(candidate.text))</code>",
                    """
                    \(SampleDetail.bar(candidate.probability))\
                    <span class="figure">\(Words.percent(candidate.probability))</span>
                    """)
            }
            return table.markup
        }
        return
            "<div class=\"pair\">\(side("base", difference.base))\(side("other", difference.other))</div>\n"
    }

    private static func bar(_ share: Double?) -> Markup {
        let width = share.map { $0.isFinite ? 60 * min(max($0, 0), 1) : 0 } ?? 0
        return """
            <svg class="bar" width="60" height="8" aria-hidden="true"><rect class="s0" width="\(width)" height="8"/></svg>
            """
    }

    /// A token with its white space shown.
    static func visible(_ text: String) -> String {
        guard !text.isEmpty else { return "(empty)" }
        let shown = text.map { character in
            switch character {
            case " ": "␣"
            case "\n", "\r\n": "↵"
            case "\t": "⇥"
            default: String(character)
            }
        }.joined()
        return Words.clipped(shown, 60)
    }

    /// The tokens that were compared.
    private var text: Markup {
        guard !tokens.isEmpty else { return "" }
        // The answers part at one of the answer's tokens, which are the last ones.
        let answers = tokens.indices.filter { tokens[$0].isAnswer }
        let parting = sample.firstDifference.flatMap { difference in
            answers.indices.contains(difference.token) ? answers[difference.token] : nil
        }
        var body: Markup = ""
        for (index, token) in tokens.enumerated() {
            if token.isAnswer != (index > 0 && tokens[index - 1].isAnswer) {
                body += "<b class=\"tag\">\(token.isAnswer ? "answer" : "prompt")</b>"
            }
            if index == parting { body += "<b class=\"tag\">the answers part here</b>" }
            body += span(token)
        }
        let left =
            sample.scoredCount > tokens.count
            ? " Shown are the first \(Words.count(tokens.count)) of \(Words.count(sample.scoredCount))." : ""
        return """
            <h5>Tokens</h5>
            <div class="probe" tabindex="0" role="group" aria-label="Tokens of \(Words.clipped(sample.name, 200)): arrow \
            keys walk along"><p class="tokens" dir="auto">\(body)</p></div>
            <output aria-live="polite"></output>
            <p class="note">\(Words.number(sample.scoredCount, "position")) compared.\(left)</p>
            \(worst)
            """
    }

    private func span(_ token: ScoredToken) -> Markup {
        let breaks = token.text.contains { $0.isNewline }
        let shown = breaks ? SampleDetail.visible(token.text) : Words.clipped(token.text, 60)
        let kinds = "k\(token.kl.map(Shade.tokens.step) ?? 0)\(token.agrees ? "" : " d")"
        return "<i class=\"\(kinds)\" title=\"\(words(token))\">\(shown)</i>\(breaks ? "<br>" : "")"
    }

    private func words(_ token: ScoredToken) -> String {
        "KL \(Words.figure(token.kl)); \(Words.percent(token.baseProbability, 1)) → "
            + Words.percent(token.otherProbability, 1) + (token.agrees ? "" : "; top tokens differ")
    }

    private var worst: Markup {
        var table = HTMLTable(
            "Tokens with the largest KL", .text("token"), .number("position"), .number("KL"),
            .number("p of base"),
            .number("p of other"), .text("top tokens"))
        for (index, token) in Array(tokens.enumerated()).worstFirst({ $0.element.kl ?? 0 }).prefix(10) {
            table.add(
                "<code>\(SampleDetail.visible(token.text))</code>", "\(Words.count(index))",
                "\(Words.figure(token.kl))",
                "\(Words.percent(token.baseProbability))", "\(Words.percent(token.otherProbability))",
                token.agrees ? "the same" : "differ")
        }
        return table.folded("The worst tokens in numbers")
    }
}
