import Storage
import TestSupport
import Testing

@testable import Checkpoints

/// A folder in which PyTorch files are written and opened.
struct TorchFolder {
    private let directory: TemporaryDirectory
    var path: String { directory.file("pytorch_model.bin") }

    init() throws { directory = try TemporaryDirectory() }

    func open(_ bytes: [UInt8]) throws(Failure) -> PyTorchFile {
        try putFile(path, bytes)
        return try PyTorchFile(path)
    }

    /// The file must be refused as bad input, in its name, at `place` and for a reason that has `part` in it.
    func refuses(
        _ bytes: [UInt8], at place: String?, _ part: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        do {
            _ = try open(bytes)
            Issue.record("accepted, but expected '\(part)'", sourceLocation: sourceLocation)
        } catch {
            #expect(error.kind == .badInput, sourceLocation: sourceLocation)
            #expect(error.file == path, sourceLocation: sourceLocation)
            #expect(error.place == place, "\(error)", sourceLocation: sourceLocation)
            #expect(error.message.contains(part), "\(error)", sourceLocation: sourceLocation)
        }
    }
}
