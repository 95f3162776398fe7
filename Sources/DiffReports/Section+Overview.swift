import Storage

extension Section {
    /// The limits that were given; nil when none were.
    static func gates(_ gates: [Gate]) -> Section? {
        guard !gates.isEmpty else { return nil }
        var table = HTMLTable(
            "Limits and what was measured", .text("gate"), .word("result"), .number("measured"),
            .number("limit"))
        for gate in gates.filter({ !$0.passed }) + gates.filter(\.passed) {
            let words: Markup = gate.words.map { words in "<br><span class=\"note\">\(words)</span>" } ?? ""
            table.add(
                "\(gate.name)\(words)",
                gate.passed
                    ? "<span class=\"passed\">✓ passed</span>" : "<strong class=\"failed\">✗ failed</strong>",
                "\(Words.figure(gate.figure))", "\(Words.figure(gate.limit))")
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
            columns += summary.reverse.map { ("the same, KL(other ‖ base)", $0) }
        }
        guard !columns.isEmpty else { return nil }
        // Measures are rows, so that the table fits a phone.
        var table = HTMLTable(
            "KL(base ‖ other) in nats, and what goes with it",
            [.text("measure")] + columns.map { .number($0.name) })
        for (name, measure) in measures {
            let cells = columns.map { measure($0.summary) }
            guard cells.contains(where: { $0 != Words.none }) else { continue }
            table.add(["\(name)"] + cells.map { "\($0)" })
        }
        return Section(id: "divergence", title: "Divergence", body: table.markup)
    }

    private static let measures: [(name: String, text: @Sendable (DivergenceSummary) -> String)] = [
        ("positions", { Words.count($0.positions) }),
        ("mean ± standard error", { Words.figure($0.mean, error: $0.standardError) }),
        ("median", { Words.figure($0.median) }),
        ("95 %", { Words.figure($0.p95) }),
        ("99 %", { Words.figure($0.p99) }),
        ("99.9 %", { Words.figure($0.p999) }),
        ("largest", { Words.figure($0.maximum) }),
        ("same most likely token", { share($0.sameTop1, $0.sameTop1Error) }),
        (
            "change of the token's probability, rms",
            { share($0.probabilityChange, $0.probabilityChangeError) }
        ),
        ("perplexity of the base", { Words.fixed($0.basePerplexity, 3) }),
        ("perplexity of the other", { Words.fixed($0.otherPerplexity, 3) }),
        ("positions that are not finite", { Words.count($0.nonFinite) }),
    ]

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
            .number("bits a weight"), .number("seconds"), .number("tokens a second"),
            .number("memory"))
        var encodings = HTMLTable(
            "How weights are stored", .text("side"), .word("encoding"), .number("tensors"), .number("bytes"))
        for (name, side) in sides {
            table.add(
                "\(name)", .name(side.path ?? Words.none), "\(Words.bytes(side.bytes))",
                "\(Words.bytes(side.weights))",
                "\(Words.fixed(side.bits, 2))", "\(Words.fixed(side.seconds, 1))",
                "\(Words.fixed(side.tokensPerSecond, 1))", "\(Words.bytes(side.memory))")
            for encoding in side.encodings.prefix(100) {
                encodings.add(
                    "\(name)", "\(encoding.name)", "\(Words.count(encoding.tensors))",
                    "\(Words.bytes(encoding.bytes))")
            }
        }
        return Section(
            id: "sides", title: "Sizes and speeds",
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
