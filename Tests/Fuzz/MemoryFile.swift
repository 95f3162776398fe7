import Glibc
import Storage

/// A file in memory that readers open by its path; it is written anew for each input.
final class MemoryFile: Sendable {
    /// Readers open it anew each time.
    let path: String
    private let descriptor: Int32

    /// The one that targets share.
    static let shared = MemoryFile()

    init() {
        var template = Array("/dev/shm/tessera-fuzz-XXXXXX".utf8CString)
        descriptor = mkstemp(&template)
        require(descriptor >= 0, "cannot make a file in memory")
        // It goes with the program.
        unlink(template)
        path = "/proc/self/fd/\(descriptor)"
    }

    /// Makes `bytes` the whole content.
    func holding(_ bytes: [UInt8]) -> String {
        let isWritten =
            ftruncate(descriptor, 0) == 0 && pwrite(descriptor, bytes, bytes.count, 0) == bytes.count
        require(isWritten, "cannot write the file in memory")
        return path
    }
}
