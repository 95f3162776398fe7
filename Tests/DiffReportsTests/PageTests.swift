import DiffReports
import Storage
import TestSupport
import Testing

/// The page of HTML. How it looks in a browser is seen by `Tests/Reference/report/check_report.py`.
@Suite struct PageTests {
    /// Each part's key and the section that it makes.
    private static let sections = [
        "gates": "gates", "findings": "findings", "divergence": "divergence", "stages": "layers",
        "attribution": "modules", "positions": "sequence", "tensors": "tensors", "samples": "samples",
        "accuracy": "answers",
    ]

    /// Elements, attributes and what else a parser of HTML sees in a page.
    private static let parser = """
        import sys
        from html.parser import HTMLParser
        seen, open_, wrong = set(), [], []
        void = {"meta", "br", "wbr", "input"}
        class Reader(HTMLParser):
            def handle_starttag(self, tag, attributes):
                seen.add(tag)
                seen.update(f"{tag}@{name}" for name, value in attributes)
                if tag not in void: open_.append(tag)
            def handle_startendtag(self, tag, attributes):
                seen.add(tag)
                seen.update(f"{tag}@{name}" for name, value in attributes)
            def handle_endtag(self, tag):
                if not open_ or open_.pop() != tag: wrong.append(f"{tag} at {self.getpos()}")
            def handle_comment(self, data): wrong.append("a comment")
        Reader(convert_charrefs=True).feed(open(sys.argv[1], encoding="utf-8").read())
        print(" ".join(sorted(seen)))
        print("wrong:", wrong[:3], open_[:3])
        """

    private func has(_ page: String, _ section: String) -> Bool {
        page.contains("<section id=\"\(section)\"")
    }

    @Test func aSectionNeedsItsPart() throws {
        let document = try SampleDocument.whole.get()
        let whole = try Report(document: document).page()
        for (key, section) in PageTests.sections {
            #expect(has(whole, section), "\(section)")
            let alone = JSON.object((document.members ?? []).filter { $0.key == key })
            let page = try Report(document: alone).page()
            for other in PageTests.sections.values {
                #expect(has(page, other) == (other == section), "\(key): \(other)")
            }
            // The answers' divergence is in the same section as that of all positions.
            let rest = SampleDocument.without("answer_divergence", SampleDocument.without(key, document))
            #expect(try !has(Report(document: rest).page(), section), "without \(key)")
        }
        #expect(has(whole, "sides"))
        let sides = SampleDocument.without("base", SampleDocument.without("other", document))
        #expect(try !has(Report(document: sides).page(), "sides"))
    }

    @Test func theVerdictComesFirst() throws {
        let document = try SampleDocument.whole.get()
        let page = try Report(document: document).page()
        let verdict = try #require(document["verdict"]?.string)
        let places = [
            "<h1>\(verdict)</h1>", "✗ 1 of 2 gates failed", "id=\"gates\"", "id=\"findings\"",
            "id=\"layers\"",
        ]
        .map { page.firstRange(of: $0)?.lowerBound }
        for (first, second) in zip(places, places.dropFirst()) {
            #expect(try #require(first) < #require(second))
        }
        // Charts have words for those who do not see them.
        let charts = page.ranges(of: "<svg class=\"plot\"").count
        #expect(charts >= 7 && page.ranges(of: "<desc id=").count == charts)
    }

    /// What was read stands in the page as text, and nowhere as anything else.
    @Test func hostileTextsAreInert() throws {
        let document = try SampleDocument.whole.get()
        let tame = try python(PageTests.parser, try Report(document: document).page())
        let page = try Report(document: SampleDocument.spoiled(document)).page()
        let hostile = try python(PageTests.parser, page)
        #expect(tame.contains("wrong: [] []") && hostile.contains("wrong: [] []"), "\(hostile.suffix(300))")
        let names = { (text: String) in Set(text.split(separator: "\n")[0].split(separator: " ")) }
        #expect(names(hostile).subtracting(names(tame)) == [])
        #expect(names(tame).isSuperset(of: ["svg", "table", "details", "script"]))
        #expect(
            !names(tame).contains("img")
                && !names(tame).contains { $0.contains("@on") || $0.hasSuffix("@style") })
        #expect(page.contains("&lt;img src=x onerror=alert(1)&gt;"))
        for scalar: Unicode.Scalar in ["\u{0}", "\u{7}", "\r", "\u{202e}"] {
            #expect(!page.unicodeScalars.contains(scalar))
        }
        #expect(page.ranges(of: "<script").count == 1 && page.ranges(of: "<style").count == 1)
    }

    /// The policy names the digests of the style and the script that are there, and nothing from outside.
    @Test func onlyItsOwnScriptMayRun() throws {
        let page = try Report(document: .object([])).page()
        let content = try #require(page.firstMatch(of: /Content-Security-Policy" content="([^"]*)"/)?.1)
        #expect(content.hasPrefix("default-src &#39;none&#39;; img-src data:;"))
        for (tag, directive) in [("style", "style-src"), ("script", "script-src")] {
            let start = try #require(page.firstRange(of: "<\(tag)>")?.upperBound)
            let end = try #require(page.firstRange(of: "</\(tag)>")?.lowerBound)
            let digest = try SHA256.digest(Array(page[start..<end].utf8)).bytes
            let text = try #require(Base64.encode(digest))
            #expect(content.contains("\(directive) &#39;sha256-\(text)&#39;"))
        }
        #expect(!page.contains("http://") && !page.contains("https://") && !page.contains("@import"))
    }

    @Test func nothingOfTheProgramShows() throws {
        let page = try Report(document: try SampleDocument.whole.get()).page()
        for words in ["Markup(", "Optional(", "&lt;br", "&lt;span", "&lt;div", "nan", "nil"] {
            #expect(!page.contains(words), "\(words)")
        }
    }

    @Test func picturesAreInThePageOnce() throws {
        let document = try SampleDocument.whole.get()
        let png = try readFile(Fixtures.path("demo-pictures/scene_0.png"))
        let encoded = try #require(Base64.encode(png))
        let page = { (bytes: [UInt8]?) in
            try Report(document: document).html { $0 == "scene_0.png" ? bytes : nil }
        }
        let shown = try page(png)
        #expect(shown.ranges(of: "data:image/png;base64,\(encoded)\"").count == 1)
        #expect(shown.contains("<use href=\"#file-1\"/>"))
        #expect(shown.contains("class=\"box s0\"") && shown.contains("class=\"box s1\""))
        #expect(shown.contains("<title>row 7, column 7: "))
        // What browsers do not know, and what is too large, leaves a plain grid.
        for bytes in [
            nil, Array("<svg onload=alert(1)>".utf8), [], png + [UInt8](repeating: 0, count: 4 << 20),
        ] {
            let plain = try page(bytes)
            #expect(!plain.contains("data:image") && plain.contains("class=\"blank\""))
            #expect(plain.contains("<title>row 7, column 7: "))
        }
        for (begin, medium) in [
            ([0xff, 0xd8, 0xff, 0xe0], "jpeg"), (Array("GIF89a".utf8), "gif"),
            (Array("RIFF\0\0\0\0WEBP".utf8), "webp"),
            (Array("\0\0\0\u{1c}ftypavif".utf8), "avif"),
        ] as [([UInt8], String)] {
            #expect(try page(begin).contains("data:image/\(medium);base64,"))
        }
    }

    /// Two thousand samples: all are listed, the worst are shown in full, and the page says so.
    @Test func manySamplesFit() throws {
        let document = try SampleDocument.whole.get()
        let sample = try #require(document["samples"]?.array?.first)
        let tokens = try #require(sample["scored"]?.array)
        let long = JSON.array((0..<64).flatMap { _ in tokens })
        let samples = (0..<2000).map { number in
            sample.setting("name", to: .string("sample \(number)")).setting(
                "mean", to: .double(Double(number) / 1e4)
            )
            .setting("scored", to: long)
        }
        let page = try Report(document: document.setting("samples", to: .array(samples))).page()
        #expect(page.utf8.count < 4 << 20, "\(page.utf8.count)")
        #expect(page.ranges(of: "<details class=\"sample\"").count == 24)
        #expect((0..<2000).allSatisfy { page.contains(">sample \($0)<") })
        #expect(page.contains("of the 24 samples with the largest mean KL, of 2\u{202f}000"))
        let worst = try #require(page.firstRange(of: "<h4>sample 1999</h4>")?.lowerBound)
        #expect(try worst < #require(page.firstRange(of: "<h4>sample 1998</h4>")?.lowerBound))
        #expect(page.ranges(of: "<i class=\"k").count == 12_000)
    }

    @Test func whatIsLeftOutIsSaid() throws {
        let tensors = JSON.array((0..<5001).map { .pairs(["name": .string("w\($0)"), "error": 0.5]) })
        let page = try Report(document: .pairs(["tensors": tensors])).page()
        #expect(page.contains("All weights in numbers (5\u{202f}001)"))
        #expect(page.contains("Listed are the first 5\u{202f}000 of 5\u{202f}001."))
    }

    /// The answers' tokens are counted from the first of them.
    @Test func theAnswersPartWhereTheySay() throws {
        let token = { (text: String, answer: Bool) -> JSON in
            .pairs(["text": .string(text), "kl": 0.2, "same": true, "answer": .bool(answer)])
        }
        let sample = JSON.pairs([
            "name": "one", "mean": 0.1, "base_answer": "ab", "other_answer": "ac",
            "first_difference": .pairs([
                "token": 1, "base": [.pairs(["text": "b", "probability": 0.75])], "other": [],
            ]),
            "scored": [token("Q", false), token("a", true), token("b", true)],
        ])
        let page = try Report(document: .pairs(["samples": [sample]])).page()
        #expect(page.contains(">a</i><b class=\"tag\">the answers part here</b><i class=\"k5\""))
        #expect(page.contains("a<mark>b</mark>") && page.contains("a<mark>c</mark>"))
        #expect(page.contains("75.00\u{a0}%"))
    }
}
