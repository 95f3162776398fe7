internal import Glibc

/// A program that runs beside this one and whose output is read as it comes. No shell takes part.
///
/// It is killed when the last reference goes, so that nobody waits for a program nobody listens to.
public final class Subprocess {
    /// The program's name, for messages.
    public let name: String
    private var process: pid_t
    private let output: Int32
    private let errors: Int32
    /// The end of what it wrote to stderr.
    private var complaint: [UInt8] = []
    /// Whether it closed its stderr.
    private var isSilent = false
    private static let complaintLimit = 2048

    /// Starts the program called `name` of those on `PATH`; it reads nothing.
    /// - Returns: nil when there is no such program.
    /// - Throws: `io` when it cannot be started.
    public init?(_ name: String, _ arguments: [String]) throws(Failure) {
        self.name = name
        let (output, errors) = (try Pipe(), try Pipe())
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output.writing.descriptor, 1)
        posix_spawn_file_actions_adddup2(&actions, errors.writing.descriptor, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // What this program ignores another may count on.
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGPIPE, SIGXFSZ] { sigaddset(&signals, number) }
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))
        var id: pid_t = 0
        let status = CStrings.with([name] + arguments) { words in
            CStrings.with(Subprocess.environment) {
                posix_spawnp(&id, name, &actions, &attributes, words, $0)
            }
        }
        if status == ENOENT { return nil }
        guard status == 0 else { throw .system("cannot start the program", file: name, errno: status) }
        process = id
        self.output = output.reading.take()
        self.errors = errors.reading.take()
    }

    deinit {
        close(output)
        close(errors)
        if process > 0 {
            kill(process, SIGKILL)
            waitpid(process, nil, 0)
        }
    }

    /// Little is handed on, and messages are in English.
    private static var environment: [String] {
        let names: [String] = ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH"]
        return names.compactMap { name in getenv(name).map { "\(name)=\(String(cString: $0))" } } + [
            "LC_ALL=C"
        ]
    }

    /// Reads the next bytes that the program writes, as many as there are and fit into `buffer`.
    /// - Returns: how many; 0 at the end.
    /// - Throws: `io` when reading fails.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws(Failure) -> Int {
        while true {
            // A negative descriptor is not waited for.
            var waiting = [
                pollfd(fd: output, events: Int16(POLLIN), revents: 0),
                pollfd(fd: isSilent ? -1 : errors, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&waiting, 2, -1) >= 0 || errno == EINTR else {
                throw .system("cannot wait for its output", file: name, errno: errno)
            }
            if waiting[0].revents != 0 {
                if let count = try count(Glibc.read(output, buffer.baseAddress, buffer.count)) {
                    return count
                }
            } else if waiting[1].revents != 0 {
                isSilent = try !listen()
            }
        }
    }

    /// Reads until `buffer` is full.
    /// - Returns: how many bytes came; fewer only at the end.
    public func fill(_ buffer: UnsafeMutableRawBufferPointer) throws(Failure) -> Int {
        var filled = 0
        while filled < buffer.count {
            let count = try read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]))
            guard count > 0 else { break }
            filled += count
        }
        return filled
    }

    /// Reads to the end, line by line, and hands each on without its newline; what is beyond `limit` bytes of a line is
    /// dropped, so that memory does not grow with what is written.
    public func forEachLine(limit: Int, _ body: ([UInt8]) -> Void) throws(Failure) {
        var line: [UInt8] = []
        let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 1)
        defer { chunk.deallocate() }
        while true {
            let count = try read(into: chunk)
            guard count > 0 else { break }
            for part in chunk[..<count].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
                .enumerated()
            {
                if part.offset > 0 {
                    body(line)
                    line = []
                }
                line += part.element.prefix(limit - line.count)
            }
        }
        if !line.isEmpty { body(line) }
    }

    /// Waits for the program to end.
    /// - Throws: `badInput` with what it said last when it ended by an error.
    public func finish() throws(Failure) {
        while !isSilent { isSilent = try !listen() }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 {
            guard errno == EINTR else { throw .system("cannot wait for its end", file: name, errno: errno) }
        }
        process = 0
        guard status == 0 else {
            let words = String(decoding: complaint, as: UTF8.self).split(separator: "\n").suffix(3)
            let reason = status & 0x7F == 0 ? "status \(status >> 8 & 0xFF)" : "signal \(status & 0x7F)"
            throw .badInput(
                "\(name) failed with \(reason)" + (words.isEmpty ? "" : ": " + words.joined(separator: "; ")))
        }
    }

    /// Takes what the program complains about; false at the end of it.
    private func listen() throws(Failure) -> Bool {
        var chunk = [UInt8](repeating: 0, count: 4096)
        guard let count = try count(Glibc.read(errors, &chunk, chunk.count)) else { return true }
        complaint = Array((complaint + chunk[..<count]).suffix(Subprocess.complaintLimit))
        return count > 0
    }

    /// The bytes that were read; nil when a signal came between.
    private func count(_ result: Int) throws(Failure) -> Int? {
        if result < 0, errno == EINTR { return nil }
        guard result >= 0 else { throw .system("cannot read its output", file: name, errno: errno) }
        return result
    }
}

/// A pipe whose ends other programs do not inherit.
private struct Pipe {
    let reading: Descriptor
    let writing: Descriptor

    init() throws(Failure) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw .system("cannot make a pipe", file: "pipe", errno: errno)
        }
        (reading, writing) = (Descriptor(ends[0]), Descriptor(ends[1]))
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    }
}

/// A file descriptor that closes itself.
private final class Descriptor {
    private(set) var descriptor: Int32

    init(_ descriptor: Int32) { self.descriptor = descriptor }
    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Hands it over to somebody else to close.
    func take() -> Int32 {
        defer { descriptor = -1 }
        return descriptor
    }
}

private enum CStrings {
    /// Calls `body` with the strings as C passes them: an array that ends with a null pointer.
    static func with<Result>(
        _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        let copies = strings.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        return body(copies + [nil])
    }
}
