import Glibc
import Storage

/// The named values of a run, kept in a file without a name, so that comparing two runs takes no memory for the first.
final class StageSpool {
    struct Stage {
        let name: String
        let offset: Int
        let count: Int
    }

    private(set) var stages: [Stage] = []
    private var failure: Failure?
    private let descriptor: Int32
    private var length = 0

    /// - Throws: `io` when no temporary file can be made.
    init() throws(Failure) {
        let directory = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array(Path.join(directory, "tessera.XXXXXX").utf8CString)
        descriptor = mkstemp(&template)
        guard descriptor >= 0 else {
            throw .system("cannot make a temporary file", file: directory, errno: errno)
        }
        unlink(template)
    }

    deinit { close(descriptor) }

    func add(_ name: String, _ values: UnsafeBufferPointer<Float>) {
        guard failure == nil else { return }
        var bytes = UnsafeRawBufferPointer(values)
        stages.append(Stage(name: name, offset: length, count: values.count))
        while let base = bytes.baseAddress, !bytes.isEmpty {
            let written = pwrite(descriptor, base, bytes.count, off_t(length))
            guard written > 0 else {
                failure = Failure(
                    .io, "cannot write a temporary file", remedy: "set TMPDIR to a place with more room")
                return
            }
            length += written
            bytes = UnsafeRawBufferPointer(rebasing: bytes[written...])
        }
    }

    /// Shows the values of a stage to `body`.
    func withValues(_ stage: Stage, _ body: (UnsafeBufferPointer<Float>) -> Void) throws(Failure) {
        if let failure { throw failure }
        var values = [Float](repeating: 0, count: stage.count)
        let wanted = stage.count * 4
        var done = 0
        while done < wanted {
            let count = values.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress.map { $0 + done }, wanted - done, off_t(stage.offset + done))
            }
            guard count > 0 else { throw Failure(.io, "cannot read a temporary file") }
            done += count
        }
        values.withUnsafeBufferPointer(body)
    }
}
