import Glibc

/// What people see: results on stdout, everything else on stderr.
public enum Console {
    /// Writes a line to stderr.
    public static func log(_ line: String) { emit(line + "\n", to: STDERR_FILENO) }

    /// Writes to stderr as it is.
    static func note(_ text: String) { emit(text, to: STDERR_FILENO) }

    /// Writes text to stdout at once, without a line break.
    public static func write(_ text: String) { emit(text, to: STDOUT_FILENO) }

    /// Writes a warning to stderr.
    public static func warn(_ message: String) { log("warning: \(message)") }

    /// Whether stderr is a terminal, so that a moving progress line makes sense.
    public static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    /// Whether stdin is a terminal, so that there is someone to talk to.
    public static var isInteractive: Bool { isatty(STDIN_FILENO) == 1 }

    /// All of stdin.
    public static func readAll() -> String {
        var text = ""
        while let line = readLine(strippingNewline: false) { text += line }
        return text
    }

    private static func emit(_ text: String, to descriptor: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            // Nobody reads any more: there is nobody to tell.
            guard count > 0 else { return }
            bytes = bytes.dropFirst(count)
        }
    }
}
