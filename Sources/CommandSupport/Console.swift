import Glibc
public import Storage
import Synchronization

/// What people see: results on stdout, everything else on stderr.
///
/// A result that cannot be written is an error: it ends the command with code 4. Where nobody reads any more, as behind
/// `| head -1`, the rest of the output is dropped without a word and the command ends as it would have.
public enum Console {
    private static let isClosed = Atomic<Bool>(false)

    /// Writes a line to stderr. What files say in it cannot steer the terminal: control characters are written out.
    public static func log(_ line: String) {
        var shown = String.UnicodeScalarView()
        for scalar in line.unicodeScalars {
            let isControl = scalar.properties.generalCategory == .control && scalar != "\n" && scalar != "\t"
            shown += isControl ? scalar.escaped(asASCII: true).unicodeScalars : String(scalar).unicodeScalars
        }
        note(String(shown) + "\n")
    }

    /// Writes to stderr as it is. Who closed it does not want to know.
    static func note(_ text: String) { _ = emit(text, to: STDERR_FILENO) }

    /// Writes a line to stdout.
    public static func print(_ line: String) { write(line + "\n") }

    /// Writes text to stdout at once, without a line break.
    /// - Returns: whether anybody still reads.
    @discardableResult
    public static func write(_ text: String) -> Bool {
        guard !isClosed.load(ordering: .relaxed) else { return false }
        let code = emit(text, to: STDOUT_FILENO)
        guard code == 0 || code == EPIPE else { fail(.system("cannot write", file: "stdout", errno: code)) }
        if code == EPIPE { isClosed.store(true, ordering: .relaxed) }
        return code == 0
    }

    /// Writes a warning to stderr.
    public static func warn(_ message: String) { log("warning: \(message)") }

    /// Says what went wrong and ends the command with its code.
    public static func fail(_ failure: Failure) -> Never {
        log("\(command): error: \(failure)")
        exit(failure.kind.rawValue)
    }

    /// What the user called.
    static var command: String { CommandLine.arguments.first.map(Path.name) ?? "tessera" }

    /// Whether stderr is a terminal, so that a moving progress line makes sense.
    public static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    /// Whether stdin is a terminal, so that there is someone to talk to.
    public static var isInteractive: Bool { isatty(STDIN_FILENO) == 1 }

    /// All of stdin.
    /// - Throws: `limit` when it is more than `limit` bytes, `badInput` when it is not UTF-8, `io`.
    public static func readAll(limit: Int = 16 << 20) throws(Failure) -> String {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(STDIN_FILENO, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw .system("cannot read", file: "stdin", errno: errno) }
            guard count > 0 else { break }
            bytes += chunk[..<count]
            guard bytes.count <= limit else {
                throw Failure(.limit, "has more than the \(limit) bytes allowed", file: "stdin")
            }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .badInput("is not UTF-8 text", file: "stdin")
        }
        return text
    }

    /// Writes all of it.
    /// - Returns: 0, or the `errno` that prevented it.
    private static func emit(_ text: String, to descriptor: Int32) -> Int32 {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                guard errno == EINTR || errno == EAGAIN else { return errno }
                // Whoever started the command may have left the stream so that it does not wait by itself.
                var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                if errno == EAGAIN { poll(&waiting, 1, -1) }
                continue
            }
            bytes = bytes.dropFirst(count)
        }
        return 0
    }
}
