internal import Glibc
public import Storage

/// A folder with the files of a fixture's checkpoint, to be edited.
public struct EditedCheckpoint {
    /// Where it is, until the last copy goes.
    public let directory: TemporaryDirectory

    /// Its path.
    public var path: String { directory.path }

    /// A copy of a folder below `Tests/Fixtures`, with the files of `overlays` in place of those of the same names.
    public init(_ fixture: String, overlays: String...) throws(Failure) {
        directory = try TemporaryDirectory()
        for folder in [fixture] + overlays {
            let source = Fixtures.path(folder)
            for name in try Path.list(source) {
                try putFile(directory.file(name), readFile(Path.join(source, name)))
            }
        }
    }

    /// Sets a value of a JSON file; nil takes the key out.
    public func set(_ file: String, _ keys: [String], to value: JSON?) throws(Failure) {
        let path = directory.file(file)
        let json: JSON = Path.exists(path) ? try JSON(file: path) : .object([])
        let changed = EditedCheckpoint.edited(json, keys.dropLast()[...]) { members in
            members.removeAll { $0.key == keys.last }
            if let key = keys.last, let value { members.append(.init(key, value)) }
        }
        try putFile(path, Array(changed.serialized().utf8))
    }

    /// Takes a file out.
    public func remove(_ file: String) throws(Failure) {
        guard unlink(directory.file(file)) == 0 else {
            throw .system("cannot be removed", file: directory.file(file), errno: errno)
        }
    }

    private static func edited(
        _ json: JSON, _ keys: ArraySlice<String>, _ change: (inout [JSON.Member]) -> Void
    ) -> JSON {
        guard let key = keys.first else {
            var members = json.members ?? []
            change(&members)
            return .object(members)
        }
        return json.setting(key, to: edited(json[key] ?? .object([]), keys.dropFirst(), change))
    }
}
