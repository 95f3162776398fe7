internal import Glibc
internal import Storage
internal import Synchronization

/// What is finished of a bundle being written: a line for the run's fingerprint, then one for each finished tensor.
///
/// Each line ends in a check of itself, so that one torn by a crash is recognised and ignored. The file is locked while its
/// writer lives, so that two processes never write one bundle. It is there before the file that it tells of: one without a
/// journal is not a writer's.
final class WriterJournal: Sendable {
    private let path: String
    private let descriptor: Int32
    /// Where the next line goes: behind the last that counts.
    private let end = Mutex(0)

    private static let title = "tessera-journal-1 "

    /// Opens or creates the journal of the bundle that grows at `place`, and locks it.
    /// - Throws: `usage` when what is there is not a journal, or grows there without one; `io` when another process writes
    ///   the bundle, or the journal cannot be opened.
    init(_ place: OutputPath) throws(Failure) {
        path = place.journal
        descriptor = try Self.locked(path)
        try checkOwned(place)
    }

    deinit {
        // Closing would not unlock while a process that is just being started elsewhere still shares the descriptor.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }

    /// A lock on the file of that name: not on one that its last owner has just removed.
    private static func locked(_ path: String) throws(Failure) -> Int32 {
        while true {
            let descriptor = try openOwn(path)
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
                let code = errno
                close(descriptor)
                guard code == EWOULDBLOCK else {
                    throw .system("cannot lock the journal", file: path, errno: code)
                }
                throw Failure(.io, "another process is writing this bundle", file: path)
            }
            var (own, named) = (stat(), stat())
            if fstat(descriptor, &own) == 0, lstat(path, &named) == 0, own.st_dev == named.st_dev,
                own.st_ino == named.st_ino
            {
                return descriptor
            }
            close(descriptor)
        }
    }

    /// Makes sure that neither the journal nor what grows beside it is somebody else's file.
    private func checkOwned(_ place: OutputPath) throws(Failure) {
        let text = try readFile(path)
        guard text.isEmpty || text.starts(with: Self.title.utf8) else {
            throw Failure(
                .usage, "is no journal of a bundle that is being written", file: path,
                remedy: "remove it, or name another output")
        }
        guard text.isEmpty, Path.exists(place.partial) else { return }
        unlink(path)
        throw Failure(
            .usage, "is there already, and no interrupted run left it", file: place.partial,
            remedy: "remove it, or name another output")
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

    /// Takes back what the journal says beyond these tensors, which it knows to be finished.
    func keep(fingerprint: Digest, finished: [Digest]) throws(Failure) {
        let kept = try Self.line(heading(fingerprint)).count + lines(finished[...], from: 0).count
        guard ftruncate(descriptor, off_t(kept)) == 0 else {
            throw .system("cannot cut the journal", file: path, errno: errno)
        }
        end.withLock { $0 = kept }
    }

    /// Begins the journal of a run that has finished nothing. What it told of must be gone: killed here, it tells of nothing.
    func restart(fingerprint: Digest) throws(Failure) {
        end.withLock { $0 = 0 }
        guard ftruncate(descriptor, 0) == 0 else {
            throw .system("cannot clear the journal", file: path, errno: errno)
        }
        try write(try Self.line(heading(fingerprint)))
        // It must be there before the file that it tells of.
        guard fsync(descriptor) == 0 else { throw .system("cannot sync", file: path, errno: errno) }
    }

    /// Adds finished tensors. The caller has made sure that their bytes are on the disk.
    func append(_ digests: ArraySlice<Digest>) throws(Failure) {
        try write(try lines(digests, from: digests.startIndex))
    }

    /// Removes the file: the bundle is complete.
    func remove() { unlink(path) }

    private func heading(_ fingerprint: Digest) -> String { Self.title + "\(fingerprint)" }

    private func record(_ index: Int, _ digest: Digest) -> String { "\(index) \(digest)" }

    private func lines(_ digests: ArraySlice<Digest>, from first: Int) throws(Failure) -> [UInt8] {
        var lines: [UInt8] = []
        for (index, digest) in digests.enumerated() { lines += try Self.line(record(first + index, digest)) }
        return lines
    }

    /// The text, the first 16 digits of its SHA-256, and a line break.
    private static func line(_ text: String) throws(Failure) -> [UInt8] {
        Array("\(text) \(try SHA256.digest(Array(text.utf8)).description.prefix(16))\n".utf8)
    }

    private func write(_ bytes: [UInt8]) throws(Failure) {
        try end.withLock { (end) throws(Failure) in
            var rest = bytes[...]
            while !rest.isEmpty {
                let place = off_t(end + rest.startIndex)
                let count = rest.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, place) }
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { throw .system("cannot write the journal", file: path, errno: errno) }
                rest = rest.dropFirst(count)
            }
            end += bytes.count
        }
    }
}
