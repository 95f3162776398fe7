public import Storage

/// A file that a checkpoint was read from, for provenance.
public struct SourceFile: Sendable {
    /// The name within the checkpoint's folder.
    public let name: String
    /// Where it is.
    public let path: String
    /// Its size when the checkpoint was opened.
    public let byteCount: Int

    /// The file at `path`, which is `byteCount` bytes long.
    init(path: String, byteCount: Int) {
        name = Path.name(path)
        self.path = path
        self.byteCount = byteCount
    }

    /// The SHA-256 of the whole file, read once from front to back.
    ///
    /// Resident memory stays at a few megabytes however large the file.
    /// - Parameter progress: told the bytes digested so far, after each few megabytes.
    /// - Throws: `.io` when the file cannot be read, `.badInput` when its size changed since the checkpoint was opened.
    public func digest(progress: (Int) -> Void = { _ in }) throws(Failure) -> Digest {
        let file = try MappedFile(path)
        guard file.bytes.count == byteCount else {
            throw .badInput("changed from \(byteCount) to \(file.bytes.count) bytes while in use", file: path)
        }
        return try file.digest(of: 0..<byteCount, progress: progress)
    }
}
