public import Storage

/// The committed files that tests compare with; `Tests/Reference` has the scripts that made them.
public enum Fixtures {
    /// The path of a file or folder below `Tests/Fixtures`.
    public static func path(_ name: String, file: StaticString = #filePath) -> String {
        let support = Path.directory("\(file)")
        return Path.join(Path.join(Path.directory(support), "Fixtures"), name)
    }

    /// A JSON fixture.
    public static func json(_ name: String) throws(Failure) -> JSON { try JSON(file: path(name)) }
}
