public import Storage

/// A file that a checkpoint was read from, for provenance.
public struct SourceFile: Sendable {
    /// The name within the checkpoint's folder.
    public let name: String
    /// Which file it is, and as it was when the checkpoint was opened.
    public let identity: FileIdentity
    private let records: [ZipRecord]

    /// Where it is.
    public var path: String { identity.path }
    /// Its size when the checkpoint was opened.
    public var byteCount: Int { identity.byteCount }

    /// A file that was opened, and what it has check sums of.
    init(_ identity: FileIdentity, records: [ZipRecord] = []) {
        name = Path.name(identity.path)
        self.identity = identity
        self.records = records
    }

    /// The SHA-256 of the whole file, read once from front to back. What the file has check sums of is compared on the way.
    ///
    /// Resident memory stays at a few megabytes however large the file.
    /// - Parameter progress: told the bytes digested so far, after each few megabytes.
    /// - Throws: `.io` when the file cannot be read or changed since the checkpoint was opened, `.badInput` when a part of it
    ///   does not match its check sum.
    public func digest(progress: (Int) -> Void = { _ in }) throws(Failure) -> Digest {
        let file = try MappedFile(path)
        try identity.checkUnchanged()
        var checks = ZipRecordChecks(records)
        return try file.digest(
            of: 0..<byteCount, visit: { (bytes, place) throws(Failure) in try checks.add(bytes, at: place) },
            progress: progress)
    }
}
