import DiffReports
import Storage
import Testing

/// Documents that are not as `formats/diff.md` says: what is wrong is left out, and nothing traps.
@Suite struct HostileDocumentTests {
    private static let wrong: [JSON] = [
        .null, true, -1, .int(.max), .int(.min), 1e308, -1e308, .double(.leastNonzeroMagnitude), "infinite",
        "-infinite", "not a number",
        "words", [], [[]], .array([JSON](repeating: 1e300, count: 5)), .object([]),
    ]

    private func render(_ document: JSON) throws -> [String] {
        let report = Report(document: document)
        return [report.markdown, report.junit, try report.page()]
    }

    @Test func anyKeyMayStandForAnything() throws {
        let document = SampleDocument.brief(try SampleDocument.whole.get())
        let keys = SampleDocument.keys(document).sorted()
        #expect(keys.count > 90)
        for key in keys {
            for value in HostileDocumentTests.wrong {
                let made = try render(SampleDocument.replacing(key, in: document, by: value))
                #expect(made.allSatisfy { !$0.isEmpty }, "\(key)")
            }
        }
    }

    @Test func whatIsNoDocumentMakesAnEmptyReport() throws {
        for value in HostileDocumentTests.wrong {
            let made = try render(value)
            #expect(made[2].contains("<h1>") && !made[2].contains("<section"))
            #expect(made[1].contains("tests=\"0\""))
        }
    }

    /// A gate that does not say whether it passed has not.
    @Test func silenceIsNoPass() throws {
        let report = Report(
            document: .pairs(["gates": [.pairs(["name": "max-kl", "figure": "not a number"])]]))
        #expect(report.junit.contains("failures=\"1\""))
        #expect(report.markdown.contains("1 of 1 gate failed"))
        #expect(try report.page().contains("✗ failed"))
    }

    /// Sizes that are claimed are not believed.
    @Test func claimedSizesMakeNothingLarge() throws {
        let picture = JSON.pairs([
            "path": "x.png", "width": .int(.max), "height": 1, "grid": [65536, 65536, 65536], "error": [0.5],
            "boxes": .pairs([
                "base": .array((0..<5000).map { [.int($0), 0, 9, 9] }), "other": [[1e300, 0, 1, 1]],
            ]),
        ])
        let stage = JSON.pairs([
            "name": "s", "graph": "g", "block": .int(.max), "relative_l2": 0.5, "sqnr_db": 6,
        ])
        let document = JSON.pairs([
            "samples": [.pairs(["name": "one", "pictures": [picture]])],
            "stages": .array((0..<9000).map { _ in stage }),
            "positions": .array(
                (0..<9000).map { .pairs(["from": .int(.max), "to": .int(.min + $0), "mean": 1]) }),
            "attribution": .pairs([
                "modules": .array((0..<9000).map { .pairs(["name": "m", "block": .int($0), "only": 0.1]) })
            ]),
        ])
        #expect(try render(document)[2].utf8.count < 6 << 20)
    }
}
