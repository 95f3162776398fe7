internal import Glibc
public import Storage

/// A folder of its own for a test, removed with everything in it when the last reference goes.
public final class TemporaryDirectory: Sendable {
    /// Where it is.
    public let path: String

    /// Creates it under `TMPDIR` or `/tmp`.
    public init() throws(Failure) {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array(Path.join(parent, "tessera-test-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else {
            throw .system("cannot create a folder", file: parent, errno: errno)
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { Self.remove(path) }

    /// The path of a name within.
    public func file(_ name: String) -> String { Path.join(path, name) }

    private static func remove(_ path: String) {
        if Path.isDirectory(path), let names = try? Path.list(path) {
            for name in names { remove(Path.join(path, name)) }
            rmdir(path)
        } else {
            unlink(path)
        }
    }
}

/// Writes a file without waiting for the disk, unlike `writeFile`: a test that writes a thousand has no power cut to fear.
public func putFile(_ path: String, _ bytes: [UInt8]) throws(Failure) {
    let output = try OutputFile(resuming: path)
    try output.truncate(to: 0)
    try output.write(bytes, at: 0)
}

/// Writes a file as commands do, over whatever file is there.
public func writeFile(_ path: String, _ bytes: [UInt8]) throws(Failure) {
    try writeFile(OutputPath(path, replacing: true, inputs: []), bytes)
}
