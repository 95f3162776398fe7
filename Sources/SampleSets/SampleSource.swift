public import Storage

/// Where a sample of a calibration set comes from; `formats/calibration-data.md`.
public enum SampleSource: Equatable, Sendable {
    /// A plain text, to be cut into windows.
    case text(file: String)
    /// A conversation: line `line`, from 1, of a JSONL file.
    case conversation(JSON, file: String, line: Int)
    /// The same, of a set that ships with the program.
    case shipped(JSON, DefaultSet, file: String, line: Int)

    /// Finds the samples of files and folders, in the order of `paths`; of a folder those of its files, by name, and of the folders in
    /// it. The words `default` and `evaluation` stand for the sets that ship with the program.
    /// - Throws: `usage` for a file of another kind, `badInput` for a line that is no JSON.
    public static func find(_ paths: [String]) throws(Failure) -> [SampleSource] {
        var sources: [SampleSource] = []
        for path in paths {
            if let set = DefaultSet(rawValue: path) {
                sources += try set.conversations()
            } else if Path.isDirectory(path) {
                sources += try find(folder: path, depth: 0)
            } else if let found = try find(file: path) {
                sources += found
            } else {
                throw Failure(
                    .usage, "is of a kind that calibration does not read", file: path,
                    remedy:
                        "give .jsonl, .txt or .md files, folders of them, or one of the words 'default' and 'evaluation'"
                )
            }
        }
        return sources
    }

    /// How deep folders within folders are looked into.
    public static let maximumDepth = 16

    private static func find(folder: String, depth: Int) throws(Failure) -> [SampleSource] {
        guard depth < maximumDepth else {
            throw .badInput("has folders within folders, too deep", file: folder)
        }
        var sources: [SampleSource] = []
        for name in try Path.list(folder).sorted() {
            let path = Path.join(folder, name)
            sources +=
                Path.isDirectory(path)
                ? try find(folder: path, depth: depth + 1) : try find(file: path) ?? []
        }
        return sources
    }

    /// Nil for files of another kind.
    private static func find(file: String) throws(Failure) -> [SampleSource]? {
        if file.hasSuffix(".txt") || file.hasSuffix(".md") { return [.text(file: file)] }
        guard file.hasSuffix(".jsonl") else { return nil }
        return try lines(try readFile(file), file: file).map { line in
            .conversation(line.json, file: file, line: line.number)
        }
    }

    /// The values of the lines of a JSONL file that are not blank, with their numbers from 1.
    static func lines(_ bytes: [UInt8], file: String) throws(Failure) -> [(json: JSON, number: Int)] {
        var values: [(json: JSON, number: Int)] = []
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated()
        where !line.allSatisfy({ $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\r") }) {
            do { values.append((try JSON(parsing: Array(line)), index + 1)) } catch {
                throw .badInput(error.message, file: file, at: "line \(index + 1)")
            }
        }
        return values
    }
}
