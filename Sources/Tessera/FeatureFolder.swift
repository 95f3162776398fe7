import Glibc
import Runtime
public import Storage

/// A folder in which encoded pictures and videos are kept, each in a file of its own: `formats/features.md`.
///
/// What is there is believed only after every byte of it was checked; what cannot be believed is said and made anew. What
/// cannot be written is said and goes without: nothing here ends an answer.
public struct FeatureFolder {
    /// Where it is.
    public let path: String
    /// The most bytes of all files; those that were used last stay.
    public let limit: Int
    private let say: (Failure) -> Void

    private static let suffix = ".features"
    private static let magic: [UInt8] = [0x89, 0x54, 0x53, 0x46, 0x0D, 0x0A, 0x1A, 0x0A]
    private static let version: UInt32 = 1
    private static let headerBytes = 128

    // Byte offsets within the header.
    private enum Field {
        static let version = 8
        static let rows = 16
        static let columns = 24
        static let model = 32
        static let key = 64
        static let digest = 96
    }

    /// The folder at `path`, which is made where nothing is.
    /// - Parameter say: is told what could not be used or kept, and why.
    /// - Throws: `io` when there is no such folder and none can be made.
    public init(
        _ path: String, limit: Int = 1 << 30, say: @escaping (Failure) -> Void = { _ in }
    ) throws(Failure) {
        guard mkdir(path, 0o755) == 0 || Path.isDirectory(path) else {
            throw .system("cannot make the folder", file: path, errno: errno)
        }
        (self.path, self.limit, self.say) = (path, limit, say)
    }

    private func file(_ key: FeatureKey) -> String {
        Path.join(path, key.digest.description + FeatureFolder.suffix)
    }

    /// The rows that are kept for a key; nil where there are none that can be believed.
    func rows(_ key: FeatureKey) -> Engine.Rows? {
        let name = file(key)
        guard Path.exists(name) else { return nil }
        do {
            let rows = try MappedFile(name).withBytes { (bytes) throws(Failure) in
                try FeatureFolder.rows(bytes, key)
            }
            // The time of its last use: what was not used for long goes first.
            utimensat(AT_FDCWD, name, nil, 0)
            return rows
        } catch {
            say(error.located(in: name))
            return nil
        }
    }

    private static func rows(
        _ bytes: UnsafeRawBufferPointer, _ key: FeatureKey
    ) throws(Failure) -> Engine.Rows {
        let header = [UInt8](bytes.prefix(headerBytes))
        guard header.count == headerBytes, header.starts(with: magic) else {
            throw .badInput("holds no encoded picture, and is made anew")
        }
        let values = UnsafeRawBufferPointer(rebasing: bytes.dropFirst(headerBytes))
        guard header[..<Field.digest] == FeatureFolder.header(key)[..<Field.digest],
            values.count == 4 * key.rows * key.columns
        else { throw .badInput("is of another picture, model or version, and is made anew") }
        guard try SHA256.digest(values).bytes[...] == header[Field.digest...] else {
            throw .badInput("is corrupt: its digest does not match; it is made anew")
        }
        return Engine.Rows(
            values: (0..<key.rows * key.columns).map {
                values.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self)
            }, columns: key.columns)
    }

    /// The header without the digest of the values.
    private static func header(_ key: FeatureKey) -> [UInt8] {
        var header = [UInt8](repeating: 0, count: headerBytes)
        header.replace(at: 0, magic)
        header.replace(at: Field.version, version.bytes)
        header.replace(at: Field.rows, UInt64(key.rows).bytes)
        header.replace(at: Field.columns, UInt64(key.columns).bytes)
        header.replace(at: Field.model, key.model.bytes)
        header.replace(at: Field.key, key.digest.bytes)
        return header
    }

    /// Keeps the rows of a key.
    func store(_ rows: Engine.Rows, _ key: FeatureKey) {
        guard FeatureFolder.headerBytes + 4 * rows.values.count <= limit else { return }
        do {
            let place = try OutputPath(file(key), replacing: true, inputs: [])
            try rows.values.withBytes { (values) throws(Failure) in
                var header = FeatureFolder.header(key)
                header.replace(at: Field.digest, try SHA256.digest(values).bytes)
                try writeFile(place) { (output) throws(Failure) in
                    try output.write(header, at: 0)
                    try output.write(values, at: header.count)
                }
            }
            try makeRoom()
        } catch { say(error.located(in: path)) }
    }

    /// Removes what was not used for longest, half-written files of runs that ended included.
    private func makeRoom() throws(Failure) {
        var files: [(path: String, bytes: Int, used: timespec)] = []
        for name in try Path.list(path) where FeatureFolder.isOwn(name) {
            var status = stat()
            let file = Path.join(path, name)
            guard lstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
            files.append((file, Int(status.st_size), status.st_mtim))
        }
        files.sort { ($0.used.tv_sec, $0.used.tv_nsec) < ($1.used.tv_sec, $1.used.tv_nsec) }
        var bytes = files.reduce(0) { $0 + $1.bytes }
        for file in files where bytes > limit {
            try Path.remove(file.path)
            bytes -= file.bytes
        }
    }

    /// Whether a file of this name is one that is kept here: the folder may be somebody's, too.
    private static func isOwn(_ name: String) -> Bool {
        let digest = name.prefix(64)
        return Digest(hexadecimal: String(digest)) != nil && name.dropFirst(64).hasPrefix(suffix)
    }
}
