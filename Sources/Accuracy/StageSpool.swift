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
    private let file: TemporaryFile

    /// - Throws: `io` when no temporary file can be made.
    init() throws(Failure) { file = try TemporaryFile() }

    func add(_ name: String, _ values: UnsafeBufferPointer<Float>) {
        guard failure == nil else { return }
        do throws(Failure) {
            let offset = try file.append(UnsafeRawBufferPointer(values))
            stages.append(Stage(name: name, offset: offset, count: values.count))
        } catch { failure = error }
    }

    /// Shows the values of a stage to `body`.
    func withValues(_ stage: Stage, _ body: (UnsafeBufferPointer<Float>) -> Void) throws(Failure) {
        if let failure { throw failure }
        try file.floats(at: stage.offset, count: stage.count).withUnsafeBufferPointer(body)
    }
}
