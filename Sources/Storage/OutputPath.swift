import Glibc

/// A place where a file may be made without harm to what is read. Whatever writes files takes one of these.
///
/// It is vacant, or a regular file that the user wants replaced; and neither it nor a name that it grows under is one of the
/// inputs, by whatever links and spellings these are reached.
public struct OutputPath: Sendable {
    /// The final name.
    public let path: String
    private let replaces: Bool
    /// What is read, with the name that the user knows it by.
    private let inputs: [FileNode: String]

    /// Where a file grows before it gets its name.
    public var partial: String { path + ".partial" }
    /// What is known of a file that grows there.
    public var journal: String { partial + ".journal" }

    /// Checks that `path` may be written.
    /// - Parameters:
    ///   - replaces: whether a file that is there is to be replaced.
    ///   - inputs: every file that is read for what is written; those that are not there do not count.
    /// - Throws: `usage` when it is an input, exists and is not to be replaced, or is no regular file, as devices and links
    ///   are, replaced or not; `io` when it cannot be looked at.
    public init(_ path: String, replacing replaces: Bool = false, inputs: [String]) throws(Failure) {
        self.path = path
        self.replaces = replaces
        var nodes: [FileNode: String] = [:]
        for input in inputs { if let node = FileNode(at: input) { nodes[node] = input } }
        self.inputs = nodes
        guard !path.isEmpty else { throw Failure(.usage, "the output's name is empty") }
        try check()
    }

    /// Checks it anew: others may have written there.
    public func check() throws(Failure) {
        if try status(of: path) != nil, !replaces {
            throw Failure(.usage, "exists already", file: path, remedy: "--force replaces it")
        }
        for name in [partial, journal] { _ = try status(of: name) }
    }

    /// What is there; nil when nothing is.
    private func status(of name: String) throws(Failure) -> stat? {
        var status = stat()
        guard lstat(name, &status) == 0 else {
            guard errno == ENOENT else { throw .system("cannot look at it", file: name, errno: errno) }
            return nil
        }
        // An input's own name is a better reason than what kind of file it is.
        if let node = FileNode(at: name), let input = inputs[node] {
            throw Failure(
                .usage, "is the same file as the input \(input)", file: name, remedy: "name another output")
        }
        let kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: String?.none
            case S_IFDIR: "a folder"
            case S_IFLNK: "a link"
            default: "a device, pipe or socket"
            }
        if let kind { throw Failure(.usage, "is \(kind)", file: name, remedy: "name a file of its own") }
        return status
    }
}
