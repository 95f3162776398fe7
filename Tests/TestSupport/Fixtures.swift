public import Storage

/// The committed files that tests compare with; `Tests/Reference` has the scripts that made them.
public enum Fixtures {
    /// The path of a file or folder below `Tests/Fixtures`.
    public static func path(_ name: String, file: StaticString = #filePath) -> String {
        let support = Path.directory("\(file)")
        return Path.join(Path.join(Path.directory(support), "Fixtures"), name)
    }

    /// The fixtures that are checkpoints as published. The name of each begins with its generation's.
    public static let published = ((try? Path.list(path(""))) ?? []).filter {
        Path.isDirectory(path("\($0)/published"))
    }

    /// A chat template: one of the program's own, or one as fine-tuned models have it.
    public static func chatTemplate(_ name: String) throws(Failure) -> String {
        let own = path("../../formats/chat-templates/\(name).jinja")
        let file = Path.exists(own) ? own : path("chat-templates/\(name).jinja")
        return String(decoding: try readFile(file), as: UTF8.self)
    }

    /// A JSON fixture.
    public static func json(_ name: String) throws(Failure) -> JSON { try JSON(file: path(name)) }
}
