import ArgumentParser
import CommandSupport
import DiffReports
import SampleSets
import Storage

/// What is made of a comparison's document.
struct ReportOptions: ParsableArguments {
    @Flag(help: "Report as JSON.")
    var json = false

    @Flag(help: "Report as Markdown, for a comment on a change.")
    var markdown = false

    @Option(
        name: .customLong("junit"),
        help: "Write gates and checks to this file as JUnit's XML, for build servers.")
    var junitPath: String?

    @Option(
        name: .customLong("html"), help: "Write a page with charts, texts and pictures to this file.")
    var htmlPath: String?

    @Flag(help: "Replace the files if they exist.")
    var force = false

    /// Whether more than JSON or tables on the terminal is wanted.
    var wantsMore: Bool { markdown || junitPath != nil || htmlPath != nil }

    func validate() throws {
        guard !(json && markdown) else { throw ValidationError("give one of --json and --markdown") }
        guard junitPath == nil || junitPath != htmlPath else {
            throw ValidationError("--junit and --html name the same file")
        }
        guard !force || junitPath != nil || htmlPath != nil else {
            throw ValidationError("--force is for --junit and --html")
        }
    }

    /// Where files are to be written: to be asked before anything long is run.
    /// - Parameter inputs: every file that is read.
    func places(inputs: [String]) throws(Failure) -> Places {
        let place = { (path: String?) throws(Failure) -> OutputPath? in
            try path.map { (path) throws(Failure) in try OutputPath(path, replacing: force, inputs: inputs) }
        }
        return Places(junit: try place(junitPath), html: try place(htmlPath))
    }

    /// Where the files of a report go.
    struct Places {
        let junit, html: OutputPath?
    }

    /// Prints and writes what was asked for.
    func write(_ document: JSON, to places: Places) throws(Failure) {
        let report = Report(document: document)
        if let place = places.junit { try writeFile(place, Array(report.junit.utf8)) }
        if let place = places.html {
            try writeFile(place, Array(try report.html(picture: ReportOptions.picture).utf8))
        }
        if json { Console.print(document.serialized(pretty: true)) }
        if markdown { Console.write(report.markdown) }
    }

    /// Makes what was asked for of a document that was kept.
    func render(_ path: String) throws(Failure) {
        let document = try ReportOptions.document(from: path)
        try write(document, to: try places(inputs: [path] + Report(document: document).picturePaths))
    }

    /// The largest picture that goes into a page.
    private static let largestPicture = 4 << 20

    /// The bytes of a file, or of a picture of a set that ships, which is named by the set's word and its own name.
    private static func picture(_ path: String) -> [UInt8]? {
        if !Path.exists(path), let set = DefaultSet(rawValue: Path.directory(path)) {
            return try? Array(set.bytes(Path.name(path)))
        }
        guard let file = try? MappedFile(path), file.bytes.count <= largestPicture else { return nil }
        return try? file.withBytes { (bytes) throws(Failure) in Array(bytes) }
    }

    /// The most values and bytes of a document that was kept: two thousand samples with 512 tokens each are half of it.
    private static let mostValues = 16 << 20
    private static let mostBytes = 512 << 20

    /// Reads a document that was kept.
    static func document(from path: String) throws(Failure) -> JSON {
        let file = try MappedFile(path)
        guard file.bytes.count <= mostBytes else {
            throw Failure(
                .limit, "has \(file.bytes.count) bytes, more than the \(mostBytes) allowed", file: path)
        }
        do throws(Failure) {
            let document = try file.withBytes { (bytes) throws(Failure) in
                try JSON(parsing: bytes, valueLimit: mostValues)
            }
            guard document.members != nil else {
                throw .badInput("is no document of tessera-diff --json: it is no object")
            }
            return document
        } catch {
            throw error.located(in: path)
        }
    }
}
