import Storage

/// A comment on a change: the verdict, the gates, the findings, and small tables.
struct MarkdownReport {
    private let document: Document

    init(_ document: Document) { self.document = document }

    /// GitHub takes comments of 65 536 characters; this stays far below with any document.
    var text: String {
        let failed = document.failedGates.count
        let gates = document.gates ?? []
        let status =
            gates.isEmpty
            ? ""
            : failed == 0
                ? "✅ All gates passed. " : "❌ **\(failed) of \(Words.number(gates.count, "gate")) failed.** "
        let parts = [
            "## \(MarkdownText.prose(document.title, 200))",
            status + MarkdownText.prose(document.verdict ?? "", 1000),
            self.gates, findings, divergence, modules, answers, sides,
        ]
        return parts.filter { !$0.isEmpty }.joined(separator: "\n\n") + "\n"
    }

    private var gates: String {
        let gates = document.gates ?? []
        return MarkdownText.table(
            ["gate", "result", "measured", "limit"],
            (gates.filter { !$0.passed } + gates.filter(\.passed)).prefix(20).map {
                [
                    MarkdownText.code($0.name), $0.passed ? "✅ passed" : "❌ **failed**",
                    Words.figure($0.figure),
                    Words.figure($0.limit),
                ]
            })
    }

    private var findings: String {
        guard let findings = document.findings else { return "" }
        guard !findings.isEmpty else { return "Nothing stands out." }
        let shown = findings.prefix(10).enumerated().map { number, finding in
            let measured = finding.measured.map { " (\($0))" } ?? ""
            let remedy = finding.remedy.map { "<br>" + MarkdownText.prose($0, 300) } ?? ""
            return "\(number + 1). **\(MarkdownText.prose(finding.words, 400))**\(measured)\(remedy)"
        }
        let more = findings.count - shown.count
        return "### Findings\n\n" + shown.joined(separator: "\n")
            + (more > 0 ? "\n\nand \(Words.count(more)) more." : "")
    }

    private var divergence: String {
        let rows = [("all positions", document.divergence), ("answers", document.answerDivergence)]
            .compactMap { name, summary in
                summary.map {
                    [
                        name, Words.count($0.positions), Words.figure($0.mean, error: $0.standardError),
                        Words.figure($0.p99), Words.figure($0.maximum), Words.percent($0.sameTop1),
                    ]
                }
            }
        return MarkdownText.table(
            ["KL in nats over", "positions", "mean", "99 %", "largest", "same top token"], rows)
    }

    private var modules: String {
        guard let attribution = document.attribution else { return "" }
        return MarkdownText.table(
            ["costs most alone", "KL alone", "KL of everything but it"],
            attribution.worst.prefix(5).map {
                [MarkdownText.code($0.name), Words.figure($0.only), Words.figure($0.without)]
            })
    }

    private var answers: String {
        guard let accuracy = document.accuracy else { return "" }
        return MarkdownText.table(
            ["questions", "base right", "other right", "drop, points", "p (McNemar)"],
            [
                [
                    Words.count(accuracy.questions), Words.count(accuracy.baseRight),
                    Words.count(accuracy.otherRight),
                    Words.figure(accuracy.drop, error: accuracy.dropError), Words.figure(accuracy.pValue),
                ]
            ])
    }

    private var sides: String {
        let rows = [document.base, document.other].compactMap { side in
            side.map {
                [
                    MarkdownText.code($0.path.map(Path.name) ?? Words.none), Words.bytes($0.bytes),
                    Words.fixed($0.bits, 2), Words.fixed($0.tokensPerSecond, 1),
                ]
            }
        }
        return MarkdownText.table(["bundle", "size", "bits a weight", "tokens a second"], rows)
    }
}

/// Text that was read, so that Markdown takes nothing in it for its own.
enum MarkdownText {
    /// A sentence: on one line, its punctuation escaped; it names nobody and links nowhere.
    static func prose(_ text: String, _ limit: Int) -> String {
        var escaped = String.UnicodeScalarView()
        for scalar in line(text, limit).unicodeScalars {
            switch scalar {
            case "<": escaped += "&lt;".unicodeScalars
            case ">": escaped += "&gt;".unicodeScalars
            case "&": escaped += "&amp;".unicodeScalars
            // GitHub looks for names and numbers after escapes are gone; between these is a character without width.
            case "@", "#": escaped += ["\\", scalar, "\u{2060}"]
            case "\\", "`", "*", "_", "{", "}", "[", "]", "(", ")", "+", "-", "!", "|", "~", ":", "$", "=":
                escaped += ["\\", scalar]
            default: escaped.append(scalar)
            }
        }
        // What begins so becomes a link without any other sign.
        return String(escaped).replacing("www.", with: "www\\.")
    }

    /// A name as code, between more backticks than it has itself.
    static func code(_ text: String) -> String {
        let text = line(text, 200)
        let longest = text.split(whereSeparator: { $0 != "`" }).map(\.count).max() ?? 0
        let fence = String(repeating: "`", count: longest + 1)
        let padding = longest > 0 || text.isEmpty ? " " : ""
        return fence + padding + text.replacing("|", with: "\\|") + padding + fence
    }

    /// A table; nothing when it has no rows. Cells are escaped already.
    static func table(_ header: [String], _ rows: [[String]]) -> String {
        guard !rows.isEmpty else { return "" }
        let line = { (cells: [String]) in "| " + cells.joined(separator: " | ") + " |" }
        let rule = "|---|" + String(repeating: "---:|", count: max(0, header.count - 1))
        return ([line(header), rule] + rows.map(line)).joined(separator: "\n")
    }

    /// On one line, without controls of characters or of directions.
    private static func line(_ text: String, _ limit: Int) -> String {
        var scalars = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator: scalars.append(" ")
            case .format, .unassigned: continue
            default: scalars.append(scalar)
            }
        }
        return Words.clipped(String(scalars), limit)
    }
}
