import DiffReports
import Storage
import TestSupport
import Testing

/// Markdown for comments and XML for build servers.
@Suite struct PlainReportTests {
    /// What a parser of XML makes of test results.
    private static let parser = """
        import sys, xml.etree.ElementTree as tree
        suite = tree.parse(sys.argv[1]).getroot().find("testsuite")
        print(suite.get("tests"), suite.get("failures"), len(suite.findall("testcase")), len(suite.findall("testcase/failure")))
        for case in suite.findall("testcase"):
            failure = case.find("failure")
            print(case.get("classname"), case.get("name"), "ok" if failure is None else failure.get("message"), sep="|")
        print(suite.find("system-out").text)
        """

    @Test func gatesAndChecksAreCases() throws {
        let document = try SampleDocument.whole.get()
        let lines = try python(PlainReportTests.parser, Report(document: document).junit).split(
            separator: "\n"
        ).map(String.init)
        // Of 14 kinds of faults that are looked for, two were found.
        #expect(lines.first == "14 1 14 1")
        #expect(lines.contains("tessera-diff.gate|max-kl|the mean KL divergence is 0.0412, above 0.03"))
        #expect(lines.contains("tessera-diff.gate|max-drop|ok"))
        #expect(lines.contains("tessera-diff.check|rows-swapped|ok"))
        #expect(!lines.contains { $0.hasPrefix("tessera-diff.check|differs") })
        #expect(lines.contains { $0.hasPrefix("differs: ") })
        let unseen = SampleDocument.without("tensors", document)
        #expect(try python(PlainReportTests.parser, Report(document: unseen).junit).hasPrefix("2 1 2 1\n"))
    }

    @Test func hostileTextsAreWellFormed() throws {
        let document = SampleDocument.spoiled(try SampleDocument.whole.get())
        let report = Report(document: document).junit
        let parsed = try python(PlainReportTests.parser, report)
        #expect(parsed.hasPrefix("16 1 16 1\n"), "\(parsed.prefix(300))")
        #expect(parsed.contains("<img src=x onerror=alert(1)>"))
        #expect(report.unicodeScalars.allSatisfy { $0 == "\n" || $0 == "\t" || $0.value >= 0x20 })
    }

    /// The checks that are cases are those that the page about weights lists.
    @Test func checksAreThoseOfTheDocs() throws {
        let page = String(decoding: try readFile(Fixtures.path("../../docs/accuracy.md")), as: UTF8.self)
        let table = try #require(page.split(separator: "| finding | what it says |").last)
        let rows = table.split(separator: "\n").drop { !$0.hasPrefix("| `") }.prefix { $0.hasPrefix("| `") }
        let kinds = rows.flatMap {
            $0.split(separator: "|")[0].matches(of: /`([a-z-]+)`/).map { String($0.1) }
        }
        let report = Report(document: .pairs(["tensors": []])).junit
        let cases = report.matches(of: /tessera-diff.check" name="([a-z-]+)"/).map { String($0.1) }
        #expect(Set(cases) == Set(kinds) && cases.count == 14)
    }

    @Test func markdownHasAllThatMatters() throws {
        let text = Report(document: try SampleDocument.whole.get()).markdown
        let lines = text.split(separator: "\n")
        #expect(
            lines[0]
                == "## qwen2\\-vl\\-2b.tessera → qwen2\\-vl\\-2b\\-int4\\-best\\-of\\-the\\-budget\\-of\\-1300\\-megabytes.tessera"
        )
        #expect(lines[1].hasPrefix("❌ **1 of 2 gates failed.** The answers diverge by 0.0412 nats;"))
        #expect(lines.contains("| `max-kl` | ❌ **failed** | 0.0412 | 0.03 |"))
        #expect(lines.contains { $0.hasPrefix("1. **text.block.2.mlp.down.weight is further away") })
        #expect(lines.contains { $0.hasPrefix("| all positions | 20\u{202f}344 | 0.0412 ± 0.0017 |") })
    }

    /// Cells stay cells, code stays code, and nobody is called.
    @Test func markdownOfHostileTextsIsInert() throws {
        let text = Report(document: SampleDocument.spoiled(try SampleDocument.whole.get())).markdown
        #expect(text.unicodeScalars.allSatisfy { $0 == "\n" || $0.properties.generalCategory != .control })
        // Outside of code every sign that Markdown knows is escaped.
        for line in text.split(separator: "\n") {
            // Code stands between three backticks, since the text has two.
            let prose = line.replacing(/```.*?```/, with: "").replacing("<br>", with: "").replacing(
                /\\./, with: "")
            #expect(!prose.drop { $0 == "#" }.contains { "<>@#`[]".contains($0) }, "\(line)")
            #expect(!prose.contains("www.") && !prose.contains("javascript:"))
        }
        let rows = text.split(separator: "\n").filter { $0.hasPrefix("| ") }
        let gate = try #require(rows.first { $0.contains("failed") })
        #expect(gate.replacing("\\|", with: "").count { $0 == "|" } == 5)
    }

    @Test func aCommentIsNeverTooLong() throws {
        let long = String(repeating: "@`|<é", count: 20_000)
        let findings = JSON.array(
            (0..<2000).map { _ in
                .pairs(["kind": "differs", "words": .string(long), "remedy": .string(long)])
            })
        let gates = JSON.array((0..<2000).map { _ in .pairs(["name": .string(long), "passed": false]) })
        let text = Report(
            document: .pairs(["verdict": .string(long), "findings": findings, "gates": gates])
        ).markdown
        #expect(text.count < 65_536 && text.contains("and 1\u{202f}990 more."))
    }
}
