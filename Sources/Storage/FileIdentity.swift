import Glibc

/// Which file something was read from, and as it was then.
public struct FileIdentity: Hashable, Sendable {
    /// Where it is.
    public let path: String
    /// Its length.
    public let byteCount: Int
    /// What tells it from every other file, whatever names it has.
    let node: FileNode
    private let modified: [Int]

    init(_ path: String, _ status: stat) {
        self.path = path
        byteCount = Int(status.st_size)
        node = FileNode(status)
        modified = [status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
    }

    /// Whether both are the same file, by whatever names.
    public func isSameFile(as other: FileIdentity) -> Bool { node == other.node }

    /// Makes sure that the file is still there and was not written since.
    /// - Throws: `io` when it was replaced or changed, or is gone.
    public func checkUnchanged() throws(Failure) {
        var status = stat()
        guard stat(path, &status) == 0, FileIdentity(path, status) == self else {
            throw Failure(.io, "changed while in use", file: path, remedy: "run the command again")
        }
    }
}

/// A file whatever it is called: its device and its number there.
struct FileNode: Hashable, Sendable {
    private let device: UInt
    private let number: UInt

    init(_ status: stat) {
        device = UInt(status.st_dev)
        number = UInt(status.st_ino)
    }

    /// The file at `path`, links followed; nil when there is none.
    init?(at path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        self.init(status)
    }
}
