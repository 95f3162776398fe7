import Storage
import TestSupport
import Testing

/// What `tessera-run` keeps from one run to the next.
@Suite struct SessionCommandTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// Runs the demo in the test's folder; what it says of the answer.
    private func ask(_ options: String..., expecting status: Int32 = 0) throws -> (
        report: JSON, errors: String
    ) {
        let outcome = try run(
            "tessera-run",
            arguments: [try SharedBundles.demo.get(), "--json", "--temp", "0"]
                + options.map { $0.replacing("@", with: directory.path + "/") })
        #expect(outcome.status == status, "\(options): \(outcome)")
        return (
            outcome.status == 0 ? try JSON(parsing: Array(outcome.output.utf8)) : .null, outcome.errors
        )
    }

    private let picture = Fixtures.path("demo-pictures/scene_2.png")

    @Test func aSessionGoesOn() throws {
        let file = directory.file("session")
        let first = try ask("--session", "@session", "--image", picture, "-p", "How many shapes are there?")
            .report
        let kept = try readFile(file)
        let read = try ask("--session", "@session", "--session-ro", "-p", "What color are they?").report
        #expect(try readFile(file) == kept)
        let second = try ask("--session", "@session", "-p", "What color are they?").report
        #expect(read["tokens"] == second["tokens"] && second["tokens"] != nil)
        #expect(try readFile(file) != kept)
        // The picture is not read again.
        let (before, after) = (first["prompt_tokens"]?.int ?? 0, second["prompt_tokens"]?.int ?? 0)
        #expect(after > 0 && after < before)
        #expect(try Path.list(directory.path) == ["session"])
    }

    @Test func aPrefixIsReadOnce() throws {
        let first = try ask("--session", "@prefix", "-n", "0", "--image", picture, "-p", "Look. ").report
        #expect(first["tokens"]?.array?.isEmpty == true)
        let asked = try ask("--session", "@prefix", "--session-ro", "-p", "Describe the picture.").report
        #expect((asked["prompt_tokens"]?.int ?? 0) < (first["prompt_tokens"]?.int ?? 0))
        #expect(asked["tokens"]?.array?.isEmpty == false)
        let warned = try ask(
            "--session", "@prefix", "--session-ro", "--system", "Be brief.", "-p", "Describe the picture.")
        #expect(warned.errors.contains("this one has begun") && warned.report["tokens"] == asked["tokens"])
    }

    @Test func whatCannotBeGoneOnFromIsSaid() throws {
        #expect(
            try ask("--session", "@none", "--session-ro", "-p", "x", expecting: 4).errors.contains(
                "No such file"))
        #expect(try ask("--session-ro", "-p", "x", expecting: 2).errors.contains("needs --session"))
        try putFile(directory.file("notes"), Array("somebody's notes, which are no session".utf8))
        #expect(
            try ask("--session", "@notes", "-p", "x", expecting: 3).errors.contains(
                "notes: is no saved session"))
        #expect(try readFile(directory.file("notes")).count == 38)
        let bundle = try SharedBundles.demo.get()
        #expect(
            try ask("--session", bundle, "-p", "x", expecting: 2).errors.contains(
                "is the same file as the input"))
        #expect(
            try ask("--session", picture, "--image", picture, "-p", "x", expecting: 2).errors.contains(
                "is the same file as the input"))
        #expect(try ask("--session", "@", "-p", "x", expecting: 2).errors.contains("is a folder"))
        // The answer was given; that it was not kept is an error.
        #expect(
            try ask("--session", "@nowhere/session", "-p", "x", "-n", "2", expecting: 4).errors.contains(
                "cannot create"))
    }

    @Test func draftsAndFeaturesChangeNothing() throws {
        let question = ["--image", picture, "-p", "Describe the picture. Describe the picture.", "-n", "40"]
        func tokens(_ options: [String]) throws -> (JSON?, JSON) {
            let outcome = try run(
                "tessera-run",
                arguments: [try SharedBundles.demo.get(), "--json", "--temp", "0"] + question + options)
            #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome)")
            let report = try JSON(parsing: Array(outcome.output.utf8))
            return (report["tokens"], report)
        }
        let (plain, report) = try tokens([])
        #expect(report["draft_tokens"] == nil && (report["tokens_per_second"]?.double ?? 0) > 0)
        let (drafted, figures) = try tokens(["--draft", "lookup"])
        #expect(drafted == plain && figures["draft_tokens"]?.int != nil)
        #expect((figures["draft_accepted"]?.int ?? .max) <= (figures["draft_tokens"]?.int ?? 0))
        let folder = directory.file("features")
        for _ in 0..<2 {
            #expect(try tokens(["--feature-cache", folder]).0 == plain)
            #expect(try Path.list(folder).count == 1)
        }
        let file = Path.join(folder, try Path.list(folder)[0])
        try putFile(file, Array(readFile(file).dropLast()))
        let damaged = try ask("--feature-cache", "@features", "--image", picture, "-p", "x")
        #expect(damaged.errors.contains("is of another picture, model or version"))
        #expect(
            try ask("--feature-cache", file, "-p", "x", expecting: 4).errors.contains(
                "cannot make the folder"))
    }
}
