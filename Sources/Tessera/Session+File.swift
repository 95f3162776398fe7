import Bundles
import Prompts
import Runtime
public import Storage

/// Sessions in files, to go on from another time: `formats/session.md`.
extension Session {
    /// A conversation that goes on from the file at `path`, as it would have gone on where it was saved, to the last bit.
    /// - Parameter capacity: tokens of the whole conversation; those of the file are some of them.
    /// - Throws: `io` when the file cannot be opened; `badInput` when it is damaged, or of another model or precision; `limit`
    ///   when it holds more tokens than `capacity`, or memory has no room for them.
    public convenience init(_ model: Model, resuming path: String, capacity: Int) throws(Failure) {
        let file = try SessionFile(path)
        let saved: SavedSession
        do throws(Failure) { saved = try Session.read(file, model) } catch { throw error.located(in: path) }
        try self.init(model, capacity: capacity)
        do {
            let read = try file.withBytes(of: .read) { (bytes) throws(Failure) in
                try Session.readAgain(bytes, saved, context)
            }
            try file.withBytes(of: .cache) { (bytes) throws(Failure) in
                try context.resume(
                    .init(count: saved.cached, promptLength: saved.promptLength, read: read), bytes)
            }
        } catch { throw error.located(in: path) }
        (state, tools, variables) = (saved.state, saved.tools, saved.variables)
    }

    /// Saves the conversation; whoever looks at the file meanwhile, or after a crash, sees the old one or the new one.
    /// - Throws: `usage` when the place was taken meanwhile, `io` when it cannot be written.
    public func save(to place: OutputPath) throws(Failure) {
        try restore()
        let saved = SavedSession(state, tools: tools, variables: variables, context)
        try SessionFile.write(
            to: place, model: model.bundle.digest, conversation: Array(saved.json.serialized().utf8),
            read: context.progress.read.map(Session.bytes) ?? [], cache: context.cache)
    }

    private static func read(_ file: SessionFile, _ model: Model) throws(Failure) -> SavedSession {
        guard file.model == model.bundle.digest else {
            throw .badInput(
                "is a conversation with another model, of digest \(file.model)",
                remedy: "give the bundle that it was held with, or name another file")
        }
        let json: JSON
        do {
            json = try file.withBytes(of: .conversation) { (bytes) throws(Failure) in try JSON(parsing: bytes)
            }
        } catch { throw Failure(error.kind, error.message, at: "section CHAT") }
        let saved = try SavedSession(json: json, model.prompt, vocabulary: model.engine.vocabulary)
        let precision = model.engine.options.cachePrecision
        guard saved.precision == precision else {
            throw .badInput(
                "keeps keys and values in \(saved.precision.rawValue), not in \(precision.rawValue)",
                remedy: "--cache-type \(saved.precision.rawValue) goes on with it")
        }
        return saved
    }

    /// What a model may have to read anew: positions, visual rows' numbers and values, in that order; the tokens are those of
    /// the conversation.
    private static func bytes(_ input: TextContext.Input) -> [UInt8] {
        [
            input.positions.withUnsafeBytes(Array.init), input.visualRows.withUnsafeBytes(Array.init),
            input.visuals?.values.withUnsafeBytes(Array.init) ?? [],
        ].flatMap { $0 }
    }

    private static func readAgain(
        _ bytes: UnsafeRawBufferPointer, _ saved: SavedSession, _ context: TextContext
    ) throws(Failure) -> TextContext.Input? {
        guard context.isReadAnew, saved.cached > 0 else {
            guard bytes.isEmpty else {
                throw .badInput("has bytes, but the model reads nothing anew", at: "section READ")
            }
            return nil
        }
        let width = context.engine.visualWidth
        let positions = saved.cached * context.engine.positionAxes
        let (rows, rest) = (bytes.count - 4 * positions).quotientAndRemainder(dividingBy: 4 * (1 + width))
        guard rows >= 0, rest == 0 else { throw .badInput("has no whole rows", at: "section READ") }
        func values<Value: BitwiseCopyable>(_ first: Int, _ count: Int) -> [Value] {
            (first..<first + count).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Value.self) }
        }
        return TextContext.Input(
            tokens: Array(saved.state.said.prefix(saved.cached)), positions: values(0, positions),
            visuals: rows == 0
                ? nil : Engine.Rows(values: values(positions + rows, rows * width), columns: width),
            visualRows: values(positions, rows))
    }
}
