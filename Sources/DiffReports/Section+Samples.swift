import Storage

/// What of the samples a page has room for.
struct SampleLimits {
    /// Samples that are listed.
    static let listed = 5000
    /// Samples whose texts and pictures are shown.
    static let shown = 24
    /// Tokens that are shown of all samples together, and of one.
    static let tokens = 12_000
    static let tokensOfOne = 4096
    /// Characters of a question or an answer.
    static let characters = 4000
}

extension Section {
    /// The samples, the worst in full; nil when there is none.
    static func samples(_ samples: [Sample], _ picture: @escaping (String) -> [UInt8]?) -> Section? {
        guard !samples.isEmpty else { return nil }
        let worst = samples.worstFirst { $0.mean ?? -1 }
        let shown = worst.prefix(SampleLimits.shown)
        var tokensLeft = SampleLimits.tokens
        var pictures = PictureFigures(shown.flatMap(\.pictures), picture)
        let details = shown.enumerated().map { number, sample -> Markup in
            let count = min(sample.scoredCount, SampleLimits.tokensOfOne, tokensLeft)
            tokensLeft -= count
            return SampleDetail(sample, number: number, tokens: count).markup(&pictures)
        }
        let list = table(worst)
        let folded =
            samples.count > 10
            ? list.folded("All samples in numbers", of: samples.count) : list.markup
        let left: Markup =
            samples.count > shown.count
            ? """
            <p class="note">Texts and pictures are shown of the \(shown.count) samples with the largest mean KL, of \
            \(Words.count(samples.count)); tokens of the first \(Words.count(SampleLimits.tokens)) positions of these.</p>
            """ : ""
        return Section(
            id: "samples", title: "Samples",
            body: """
                \(folded)<h3>The worst, token by token</h3>
                \(left)
                <p>A token's shade is the KL of the distributions that it was drawn from. Underlined: the two \
                models find different tokens most likely.</p>
                \(Shade.tokens.legend("Nats"))
                \(details)
                """)
    }

    private static func table(_ samples: [Sample]) -> HTMLTable {
        var table = HTMLTable(
            "Samples, the largest mean KL first", .text("sample"), .number("mean KL ± standard error"),
            .number("same top token"), .number("tokens"), .number("of pictures"), .text("answers"))
        for sample in samples.prefix(SampleLimits.listed) {
            let answers: String? =
                sample.firstDifference.map { "part at token \(Words.count($0.token))" }
                ?? (sample.baseAnswer == nil
                    ? nil : sample.baseAnswer == sample.otherAnswer ? "the same" : "differ")
            table.add(
                "\(Words.clipped(sample.name, 200))",
                "\(Words.figure(sample.mean, error: sample.standardError))",
                "\(Words.percent(sample.sameTop1))", "\(Words.count(sample.tokens))",
                "\(Words.count(sample.visualTokens))", "\(answers ?? "")")
        }
        return table
    }
}
