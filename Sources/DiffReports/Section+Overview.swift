import Storage

extension Section {
    /// The limits that were given; nil when none were.
    static func gates(_ gates: [Gate]) -> Section? {
        guard !gates.isEmpty else { return nil }
        var table = HTMLTable(
            "Limits and what was measured", .text("gate"), .text("result"), .number("measured"),
            .number("limit"),
            .text("what it says"))
        for gate in gates.filter({ !$0.passed }) + gates.filter(\.passed) {
            table.add(
                "\(gate.name)",
                gate.passed
                    ? "<span class=\"passed\">✓ passed</span>" : "<strong class=\"failed\">✗ failed</strong>",
                "\(Words.figure(gate.figure))", "\(Words.figure(gate.limit))", "\(gate.words ?? "")")
        }
        return Section(id: "gates", title: "Gates", body: table.markup)
    }

    /// The most findings that are shown.
    private static let mostFindings = 500

    /// What stands out, worst first.
    static func findings(_ findings: [Finding]) -> Section {
        let title = "Findings"
        guard !findings.isEmpty else {
            return Section(id: "findings", title: title, body: "<p>Nothing stands out.</p>")
        }
        let shown = findings.prefix(mostFindings).map(entry)
        let open = shown.prefix(10)
        let rest = shown.dropFirst(10)
        let folded: Markup =
            rest.isEmpty
            ? ""
            : """
            <details><summary>\(Words.number(rest.count, "more finding"))</summary>
            <ol class="findings" start="11">\(rest)</ol></details>
            """
        let left: Markup =
            findings.count > mostFindings
            ? "<p class=\"note\">Shown are the worst \(mostFindings) of \(Words.count(findings.count)).</p>"
            : ""
        return Section(
            id: "findings", title: title, body: "<ol class=\"findings\">\(open)</ol>\n\(folded)\(left)")
    }

    private static func entry(_ finding: Finding) -> Markup {
        let place = (finding.tensor ?? finding.stage).map { place -> Markup in " in \(.name(place))" } ?? ""
        let measured = finding.measured.map { measured -> Markup in "; measured \(measured)" } ?? ""
        let remedy = finding.remedy.map { remedy -> Markup in
            "<p class=\"remedy\"><span>What mends it:</span> \(remedy)</p>"
        }
        return """
            <li><p>\(finding.words)</p>\(remedy ?? "")
            <p class="note"><code>\(finding.kind)</code>\(place)\(measured)</p></li>

            """
    }

    /// The divergences over all positions; nil when nothing was run.
    static func divergence(_ document: Document) -> Section? {
        var columns: [(name: String, summary: DivergenceSummary)] = []
        for (name, summary) in [
            ("all positions", document.divergence), ("answers", document.answerDivergence),
        ] {
            guard let summary else { continue }
            columns.append((name, summary))
            columns += summary.reverse.map { ("\(name), KL(other ‖ base)", $0) }
        }
        guard !columns.isEmpty else { return nil }
        var table = HTMLTable(
            "KL(base ‖ other) in nats over", .text("over"), .number("positions"),
            .number("mean ± standard error"),
            .number("median"), .number("95 %"), .number("99 %"), .number("99.9 %"), .number("largest"),
            .number("same top token"), .number("perplexity"), .number("change of p(token), rms"),
            .number("not finite"))
        for (name, summary) in columns {
            let perplexity = [summary.basePerplexity, summary.otherPerplexity].compactMap { $0 }
            table.add(
                "\(name)", "\(Words.count(summary.positions))",
                "\(Words.figure(summary.mean, error: summary.standardError))",
                "\(Words.figure(summary.median))",
                "\(Words.figure(summary.p95))", "\(Words.figure(summary.p99))",
                "\(Words.figure(summary.p999))",
                "\(Words.figure(summary.maximum))", "\(share(summary.sameTop1, summary.sameTop1Error))",
                perplexity.count == 2
                    ? "\(Words.fixed(perplexity[0], 3)) → \(Words.fixed(perplexity[1], 3))" : "\(Words.none)",
                "\(share(summary.probabilityChange, summary.probabilityChangeError))",
                "\(Words.count(summary.nonFinite))")
        }
        return Section(
            id: "divergence", title: "Divergence of the answers' distributions", body: table.markup)
    }

    private static func share(_ value: Double?, _ error: Double?) -> String {
        guard let value, let error, value.isFinite, error.isFinite else { return Words.percent(value) }
        return "\(Words.fixed(100 * value, 2)) ± \(Words.percent(error))"
    }

    /// Sizes, speeds and encodings of both.
    static func sides(_ document: Document) -> Section? {
        let sides = [("base", document.base), ("other", document.other)].compactMap { name, side in
            side.map { (name, $0) }
        }
        guard !sides.isEmpty else { return nil }
        var table = HTMLTable(
            "Sizes and speeds", .text("side"), .text("file"), .number("bytes"), .number("of weights"),
            .number("bits a weight"), .number("seconds"), .number("tokens a second"))
        var encodings = HTMLTable(
            "How weights are stored", .text("side"), .text("encoding"), .number("tensors"), .number("bytes"))
        for (name, side) in sides {
            table.add(
                "\(name)", .name(side.path ?? Words.none), "\(Words.bytes(side.bytes))",
                "\(Words.bytes(side.weights))",
                "\(Words.fixed(side.bits, 2))", "\(Words.fixed(side.seconds, 1))",
                "\(Words.fixed(side.tokensPerSecond, 1))")
            for encoding in side.encodings.prefix(100) {
                encodings.add(
                    "\(name)", "\(encoding.name)", "\(Words.count(encoding.tensors))",
                    "\(Words.bytes(encoding.bytes))")
            }
        }
        return Section(
            id: "sides", title: "Sizes, speeds and encodings",
            body: "\(table.markup)\(ratio(document))\(encodings.isEmpty ? "" : encodings.markup)")
    }

    private static func ratio(_ document: Document) -> Markup {
        guard let base = document.base?.bytes, let other = document.other?.bytes, base > 0, other > 0 else {
            return ""
        }
        let size = Words.percent(Double(other) / Double(base), 1)
        let speeds = [document.base?.tokensPerSecond, document.other?.tokensPerSecond].compactMap { $0 }
        let speed =
            speeds.count == 2 && speeds[0] > 0
            ? ", and runs at \(Words.fixed(speeds[1] / speeds[0], 2)) times its speed" : ""
        return "<p>The other has \(size) of the base's bytes\(speed).</p>\n"
    }
}
