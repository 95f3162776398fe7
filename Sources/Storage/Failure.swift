/// Anything that can go wrong on data, on a disk or against a limit: what is wrong, where, and what to do.
///
/// Every module throws this one type, so that every command prints errors alike and exits with the documented code.
public struct Failure: Error, Equatable, Sendable {
    /// What kind of trouble it is; the raw value is the exit code of the command that meets it.
    public enum Kind: Int32, Sendable {
        /// A comparison or verification failed.
        case mismatch = 1
        /// The command was called wrongly.
        case usage = 2
        /// Input is corrupt, unknown or unsupported.
        case badInput = 3
        /// The operating system refused: no space, no permission, no such file.
        case io = 4
        /// A memory or size limit would be exceeded.
        case limit = 5
        /// Interrupted; running the same command again resumes.
        case interrupted = 75
    }

    /// What kind of trouble it is, and with it the exit code.
    public let kind: Kind
    /// What is wrong, as a sentence without the place.
    public let message: String
    /// The file it was found in, if any.
    public let file: String?
    /// The place within the file: a tensor's name, a byte offset, a JSON path.
    public let place: String?
    /// What the user can do about it.
    public let remedy: String?

    /// A failure; `file` and `place` say where, `remedy` what to do.
    public init(
        _ kind: Kind, _ message: String, file: String? = nil, at place: String? = nil, remedy: String? = nil
    ) {
        self.kind = kind
        self.message = message
        self.file = file
        self.place = place
        self.remedy = remedy
    }

    /// Bad input: the most common case, spelled briefly.
    public static func badInput(
        _ message: String, file: String? = nil, at place: String? = nil, remedy: String? = nil
    ) -> Failure {
        Failure(.badInput, message, file: file, at: place, remedy: remedy)
    }

    /// A failed system call, with the text of `errno`.
    public static func system(_ action: String, file: String, errno code: Int32) -> Failure {
        Failure(.io, "\(action): \(systemMessage(code))", file: file)
    }

    /// The same failure, located in `file` unless it already names one.
    public func located(in file: String) -> Failure {
        Failure(kind, message, file: self.file ?? file, at: place, remedy: remedy)
    }
}

extension Failure: CustomStringConvertible {
    /// One line: file, place, message, and the remedy in parentheses.
    public var description: String {
        var text = ""
        if let file { text += "\(file): " }
        if let place { text += "\(place): " }
        text += message
        if let remedy { text += " (\(remedy))" }
        return text
    }
}
