import Glibc

/// Writes a file so that its final name never shows a half-written one: to a temporary name beside it, synced, renamed.
public func writeFile(_ path: String, _ bytes: [UInt8]) throws(Failure) {
    let temporary = path + ".partial"
    let output = try OutputFile(creating: temporary)
    do {
        try output.write(bytes, at: 0)
        try output.sync()
        try output.rename(to: path)
    } catch {
        unlink(temporary)
        throw error
    }
}

/// A file open for positioned writes.
public final class OutputFile {
    /// Where it is written.
    public let path: String
    private let descriptor: Int32

    /// Creates or truncates.
    public init(creating path: String) throws(Failure) {
        self.path = path
        descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .system("cannot create", file: path, errno: errno) }
    }

    /// Opens what an interrupted run left behind.
    public init(resuming path: String) throws(Failure) {
        self.path = path
        descriptor = open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("cannot open", file: path, errno: errno) }
    }

    deinit { close(descriptor) }

    /// Writes all of `bytes` at `offset`.
    public func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(Failure) {
        var done = 0
        while done < bytes.count, let base = bytes.baseAddress {
            let count = pwrite(descriptor, base + done, bytes.count - done, off_t(offset + done))
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw .system("cannot write", file: path, errno: errno) }
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
            throw .system("cannot resize", file: path, errno: errno)
        }
    }

    /// Extends the file with zeros to `length` bytes and sets the space aside, so that a full disk shows at once.
    ///
    /// File systems that cannot do so are left to run full later.
    public func reserve(_ length: Int) throws(Failure) {
        let code = posix_fallocate(descriptor, 0, off_t(length))
        if code == ENOSPC || code == EFBIG {
            throw .system("cannot set aside \(length) bytes", file: path, errno: code)
        }
    }

    /// Waits until everything written is on the disk.
    public func sync() throws(Failure) {
        guard fsync(descriptor) == 0 else { throw .system("cannot sync", file: path, errno: errno) }
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
