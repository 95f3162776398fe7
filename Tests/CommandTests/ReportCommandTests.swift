import Storage
import TestSupport
import Testing

/// What `tessera-diff` makes of a comparison besides tables, and of one that was kept.
@Suite struct ReportCommandTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func text(_ path: String) throws -> String { String(decoding: try readFile(path), as: UTF8.self) }

    @Test func weightsMakeAReport() throws {
        let base = try SharedBundles.demo.get()
        let (page, results) = (directory.file("report.html"), directory.file("report.xml"))
        let outcome = try run("tessera-diff", base, base, "--markdown", "--html", page, "--junit", results)
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.output.contains("Nothing stands out."))
        #expect(try text(page).contains("<section id=\"tensors\""))
        #expect(try text(results).contains("tests=\"14\" failures=\"0\""))
        // Nothing is replaced unasked, and nothing else is left behind.
        #expect(try run("tessera-diff", base, base, "--html", page).status == 2)
        #expect(try run("tessera-diff", base, base, "--html", page, "--force").status == 0)
        #expect(try Path.list(directory.path) == ["report.html", "report.xml"])
    }

    @Test func aKeptReportMakesTheSame() throws {
        let base = try SharedBundles.demo.get()
        let (kept, page, again) = (
            directory.file("kept.json"), directory.file("a.html"), directory.file("b.html")
        )
        let outcome = try run("tessera-diff", base, base, "--json", "--html", page)
        try putFile(kept, Array(outcome.output.utf8))
        let made = try run("tessera-diff", "--from", kept, "--json", "--html", again)
        #expect(made.status == 0 && made.output == outcome.output, "\(made.errors)")
        #expect(try text(page) == text(again))
    }

    @Test func picturesComeFromTheirFiles() throws {
        let document = try Fixtures.json("diff/report.json")
        let picture = Fixtures.path("demo-pictures/scene_0.png")
        let (kept, page) = (directory.file("kept.json"), directory.file("page.html"))
        let placed = document.serialized().replacing("\"scene_0.png\"", with: "\"\(picture)\"")
        try putFile(kept, Array(placed.utf8))
        #expect(try run("tessera-diff", "--from", kept, "--html", page).status == 0)
        #expect(try text(page).contains("data:image/png;base64,"))
        // A picture is an input: it is never written over.
        #expect(try run("tessera-diff", "--from", kept, "--html", picture, "--force").status == 2)
        #expect(try run("tessera-diff", "--from", kept, "--html", kept, "--force").status == 2)
    }

    @Test func whatCannotBeRenderedIsSaid() throws {
        let kept = directory.file("kept.json")
        for words in ["", "{", "[]", "7", "{\"a\":1,\"a\":2}"] {
            try putFile(kept, Array(words.utf8))
            let outcome = try run("tessera-diff", "--from", kept, "--markdown")
            #expect(outcome.status == 3 && outcome.errors.contains(kept), "\(words): \(outcome.errors)")
        }
        #expect(try run("tessera-diff", "--from", directory.file("none.json"), "--markdown").status == 4)
        let page = directory.file("page.html")
        for arguments in [
            ["--from", kept], ["--from", kept, "model.tessera", "--markdown"], ["--markdown"],
            ["--from", kept, "--json", "--markdown"], ["--from", kept, "--html", page, "--junit", page],
            ["a.tessera", "--reference", "b.safetensors", "--html", page],
            ["a.tessera", "b.tessera", "-p", "Hello", "--html", page, "--resume", page],
            ["--from", kept, "--markdown", "--force"],
        ] {
            #expect(try run("tessera-diff", arguments: arguments).status == 2, "\(arguments)")
        }
    }
}
