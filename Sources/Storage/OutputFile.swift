import Glibc

/// Writes a file so that its final name never shows a half-written one: to a name of nobody else beside it, synced, renamed.
/// - Throws: `usage` when the place was taken meanwhile, `io` when it cannot be written.
public func writeFile(_ place: OutputPath, _ bytes: [UInt8]) throws(Failure) {
    try writeFile(place) { (output) throws(Failure) in try output.write(bytes, at: 0) }
}

/// The same with what `fill` writes, which may come in parts.
public func writeFile(
    _ place: OutputPath, _ fill: (OutputFile) throws(Failure) -> Void
) throws(Failure) {
    let suffix = String(UInt64.random(in: 0...UInt64.max), radix: 36)
    let output = try OutputFile(creating: "\(place.path).\(suffix)")
    do {
        try fill(output)
        try output.sync()
        try place.check()
        try output.rename(to: place.path)
    } catch {
        unlink(output.path)
        throw error
    }
}

/// A file open for positioned writes, by any number of threads.
public final class OutputFile: Sendable {
    /// Where it is written.
    public let path: String
    /// What it is called in messages.
    private let name: String
    private let descriptor: Int32

    /// Creates a file where nothing is.
    /// - Throws: `io` when something is there, a link included, or it cannot be made.
    public init(creating path: String) throws(Failure) {
        (self.path, name) = (path, path)
        descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .system("cannot create", file: path, errno: errno) }
    }

    /// Opens what an interrupted run left behind, or creates it.
    /// - Throws: `usage` when that is not a file with this one name, `io` when it cannot be opened.
    public init(resuming path: String) throws(Failure) {
        (self.path, name) = (path, path)
        descriptor = try openOwn(path)
    }

    /// Creates a file without a name in the folder for temporary files: it can be opened by `path` as long as this value lives,
    /// and goes with the last that have it open or mapped.
    /// - Throws: `io` when none can be made.
    public init() throws(Failure) {
        name = TemporaryFile.directory
        descriptor = try TemporaryFile.open(in: name)
        path = "/proc/self/fd/\(descriptor)"
    }

    deinit { close(descriptor) }

    /// Writes all of `bytes` at `offset`.
    public func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(Failure) {
        var done = 0
        while done < bytes.count, let base = bytes.baseAddress {
            let count = pwrite(descriptor, base + done, bytes.count - done, off_t(offset + done))
            if count < 0 && errno == EINTR { continue }
            // The kernel met a page of the source that is not there any more.
            if count < 0 && errno == EFAULT, let lost = MappedFile.lost(base + done) { throw lost }
            guard count > 0 else { throw .system("cannot write", file: name, errno: errno) }
            done += count
        }
    }

    /// Writes an array at `offset`.
    public func write(_ bytes: [UInt8], at offset: Int) throws(Failure) {
        try bytes.withBytes { (buffer) throws(Failure) in try write(buffer, at: offset) }
    }

    /// Cuts or extends (with zeros) to `length` bytes.
    public func truncate(to length: Int) throws(Failure) {
        guard ftruncate(descriptor, off_t(length)) == 0 else {
            throw .system("cannot resize", file: name, errno: errno)
        }
    }

    /// Extends the file from `kept` to `length` bytes with zeros and sets the space aside, so that a full disk shows at once.
    ///
    /// File systems that cannot do so are left to run full later.
    public func reserve(_ length: Int, keeping kept: Int) throws(Failure) {
        let code = posix_fallocate(descriptor, 0, off_t(length))
        if code == ENOSPC || code == EFBIG {
            // Others may need what was set aside so far.
            try truncate(to: kept)
            throw .system("cannot set aside \(length) bytes", file: name, errno: code)
        }
    }

    /// Waits until everything written is on the disk.
    public func sync() throws(Failure) {
        guard fsync(descriptor) == 0 else { throw .system("cannot sync", file: name, errno: errno) }
    }

    /// Gives the file its final name, durably.
    public func rename(to final: String) throws(Failure) {
        guard Glibc.rename(path, final) == 0 else { throw .system("cannot rename", file: path, errno: errno) }
        let directory = open(Path.directory(final), O_RDONLY | O_CLOEXEC)
        if directory >= 0 {
            fsync(directory)
            close(directory)
        }
    }
}

/// Opens a file that this program keeps beside an output, or creates it, for reading and writing.
/// - Returns: its descriptor.
/// - Throws: `usage` when what is there is no regular file, a link, or has other names: to write it would change something
///   that is not this program's; `io` when it cannot be opened.
public func openOwn(_ path: String) throws(Failure) -> Int32 {
    let descriptor = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw .system("cannot open", file: path, errno: errno) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_nlink <= 1 else {
        close(descriptor)
        throw Failure(
            .usage, "is no file of this program's: it is no regular file, or has other names", file: path,
            remedy: "remove it, or name another output")
    }
    return descriptor
}
