internal import Glibc
internal import Storage

/// What is finished of a bundle being written: a line for the run's fingerprint, then one for each finished tensor.
///
/// Each line ends in a check of itself, so that one torn by a crash is recognised and ignored. The file is locked while its
/// writer lives, so that two processes never write one bundle.
final class WriterJournal {
    private let path: String
    private let descriptor: Int32

    /// Opens or creates the journal at `path` and locks it.
    init(_ path: String) throws(Failure) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .system("cannot open the journal", file: path, errno: errno) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(descriptor)
            guard code == EWOULDBLOCK else {
                throw .system("cannot lock the journal", file: path, errno: code)
            }
            throw Failure(.io, "another process is writing this bundle", file: path)
        }
        self.path = path
        self.descriptor = descriptor
    }

    deinit {
        // Closing would not unlock while a process that is just being started elsewhere still shares the descriptor.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }

    /// The digests of the leading tensors that a run of this fingerprint finished; none when the journal is another run's.
    func finished(fingerprint: Digest) throws(Failure) -> [Digest] {
        let text = try readFile(path)
        // What follows the last line break is a line that was never finished.
        var lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast()
        guard let first = lines.popFirst(), Array(first) == (try Self.line(heading(fingerprint))).dropLast()
        else {
            return []
        }
        var digests: [Digest] = []
        for line in lines {
            let fields = line.split(separator: UInt8(ascii: " "))
            guard fields.count == 3,
                let digest = Digest(hexadecimal: String(decoding: fields[1], as: UTF8.self)),
                Array(line) == (try Self.line(record(digests.count, digest))).dropLast()
            else { break }
            digests.append(digest)
        }
        return digests
    }

    /// Begins the journal again, with these tensors finished.
    func restart(fingerprint: Digest, finished: [Digest]) throws(Failure) {
        guard ftruncate(descriptor, 0) == 0 else {
            throw .system("cannot clear the journal", file: path, errno: errno)
        }
        try write(try Self.line(heading(fingerprint)))
        try append(finished[...])
    }

    /// Adds finished tensors. The caller has made sure that their bytes are on the disk.
    func append(_ digests: ArraySlice<Digest>) throws(Failure) {
        var lines: [UInt8] = []
        for (index, digest) in zip(digests.indices, digests) { lines += try Self.line(record(index, digest)) }
        try write(lines)
    }

    /// Removes the file: the bundle is complete.
    func remove() { unlink(path) }

    private func heading(_ fingerprint: Digest) -> String { "tessera-journal-1 \(fingerprint)" }

    private func record(_ index: Int, _ digest: Digest) -> String { "\(index) \(digest)" }

    /// The text, the first 16 digits of its SHA-256, and a line break.
    private static func line(_ text: String) throws(Failure) -> [UInt8] {
        Array("\(text) \(try SHA256.digest(Array(text.utf8)).description.prefix(16))\n".utf8)
    }

    private func write(_ bytes: [UInt8]) throws(Failure) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw .system("cannot write the journal", file: path, errno: errno) }
            rest = rest.dropFirst(count)
        }
    }
}
