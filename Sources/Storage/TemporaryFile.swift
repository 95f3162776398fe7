import Glibc

/// A file without a name, for what is too large to keep in memory; it goes when this value does.
public final class TemporaryFile {
    /// Where such files are made: where `TMPDIR` says, else in `/tmp`.
    public static var directory: String { getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp" }

    private let descriptor: Int32
    private let directory: String
    /// Bytes written so far.
    public private(set) var count = 0

    /// Makes one where `TMPDIR` says, else in `/tmp`.
    /// - Throws: `io` when none can be made.
    public init() throws(Failure) {
        directory = TemporaryFile.directory
        descriptor = try TemporaryFile.open(in: directory)
    }

    /// Opens a file that has no name, or none any more.
    static func open(in directory: String) throws(Failure) -> Int32 {
        // O_TMPFILE of Linux, whose macro is not for Swift: it never has a name. Not every file system knows it.
        let unnamed = Glibc.open(directory, 0o20000000 | O_DIRECTORY | O_RDWR | O_CLOEXEC, 0o600)
        if unnamed >= 0 { return unnamed }
        var template = Array(Path.join(directory, "tessera.XXXXXX").utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else {
            throw .system("cannot make a temporary file", file: directory, errno: errno)
        }
        unlink(template)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        return descriptor
    }

    deinit { close(descriptor) }

    /// Adds bytes at the end; gives the place where they begin.
    /// - Throws: `io` when there is no room.
    @discardableResult
    public func append(_ bytes: UnsafeRawBufferPointer) throws(Failure) -> Int {
        let start = count
        var rest = bytes
        while let base = rest.baseAddress, !rest.isEmpty {
            let written = pwrite(descriptor, base, rest.count, off_t(count))
            if written < 0 && errno == EINTR { continue }
            guard written > 0 else {
                let code = errno
                throw Failure(
                    .io, "cannot write a temporary file: \(String(cString: strerror(code)))", file: directory,
                    remedy: "set TMPDIR to a place with more room")
            }
            count += written
            rest = UnsafeRawBufferPointer(rebasing: rest[written...])
        }
        return start
    }

    /// Fills `bytes` with what was appended at `offset`.
    /// - Throws: `io` when it cannot be read.
    public func read(at offset: Int, into bytes: UnsafeMutableRawBufferPointer) throws(Failure) {
        var done = 0
        while done < bytes.count, let base = bytes.baseAddress {
            let count = pread(descriptor, base + done, bytes.count - done, off_t(offset + done))
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw Failure(.io, "cannot read a temporary file", file: directory) }
            done += count
        }
    }

    /// The floats that were appended at `offset`.
    public func floats(at offset: Int, count: Int) throws(Failure) -> [Float] {
        var failure: Failure?
        let values = [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            do throws(Failure) {
                try read(at: offset, into: UnsafeMutableRawBufferPointer(buffer))
                initialized = count
            } catch { failure = error }
        }
        if let failure { throw failure }
        return values
    }
}
