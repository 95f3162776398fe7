import Bundles
import Prompts
import Runtime
import SampleSets
public import Storage
public import Tessera

/// The final hidden states of a base model over the windows of a text, kept in a file.
///
/// The logits follow from them exactly, and they take a small part of the room.
public struct KeptRun {
    private let window: Int
    private let width: Int
    private let values: Values

    private enum Values {
        case memory([Float])
        case file(MappedBytes)
    }

    /// Rows scored of each window: of its second half, those with a token after them.
    private var rowsPerWindow: Int { Self.rows(of: window) }

    private static func rows(of window: Int) -> Int { window - window / 2 - 1 }

    /// The final hidden states of the scored rows of a window.
    func hidden(_ index: Int) throws(Failure) -> Engine.Rows {
        let count = rowsPerWindow * width
        switch values {
        case .memory(let all):
            return Engine.Rows(values: Array(all[index * count..<(index + 1) * count]), columns: width)
        case .file(let mapped):
            let bytes = mapped.bytes
            let values = (0..<count).map {
                bytes.loadUnaligned(fromByteOffset: (index * count + $0) * 4, as: Float.self)
            }
            return Engine.Rows(values: values, columns: width)
        }
    }

    /// The scored rows of one window, by a model.
    private static func hidden(_ model: Model, _ tokens: [Int32]) throws(Failure) -> Engine.Rows {
        let context = try TextContext(model.engine, capacity: tokens.count)
        var rows = try context.evaluate(
            context.text(tokens, from: 0), wanted: .from(tokens.count / 2))
        // Nothing follows the last token, so there is nothing to score.
        rows.values.removeLast(rows.columns)
        return rows
    }

    /// Runs `model` over a set that has nothing but windows of a text.
    /// - Parameters:
    ///   - window: tokens of each.
    ///   - keep: the file to keep the run in; one that holds the same run is read instead of running.
    /// - Throws: `badInput` when `keep` holds another run, or one that is damaged.
    public init(
        _ model: Model, _ set: EvaluationSet, window: Int, keep: String,
        report: (Int, Int) throws(Failure) -> Void
    ) throws(Failure) {
        let samples = set.prepared.samples.map(\.tokens)
        self.window = window
        width = model.engine.width
        let identity = try KeptRun.identity(model, samples.flatMap { $0 }, window)
        let count = KeptRun.rows(of: window) * samples.count * width
        guard !Path.exists(keep) else {
            values = .file(try KeptRun.values(keep, identity, byteCount: count * 4))
            return
        }
        let place = try OutputPath(keep, inputs: [model.bundle.path])
        var hidden: [Float] = []
        hidden.reserveCapacity(count)
        for (index, tokens) in samples.enumerated() {
            hidden += try KeptRun.hidden(model, tokens).values
            try report(index + 1, samples.count)
        }
        // What is not finite fails the comparison, and is of no use to another.
        if hidden.allSatisfy(\.isFinite) {
            let bytes = hidden.withUnsafeBytes(Array.init)
            try writeFile(place, identity + SHA256.digest(bytes).bytes + bytes)
        }
        values = .memory(hidden)
    }

    /// What a file holds of the run of that identity.
    private static func values(
        _ path: String, _ identity: [UInt8], byteCount: Int
    ) throws(Failure) -> MappedBytes {
        let file = try MappedFile(path)
        let start = identity.count + 32
        guard file.bytes.count == start + byteCount,
            file.bytes.prefix(identity.count).elementsEqual(identity),
            let values = MappedBytes(file, start..<file.bytes.count)
        else {
            throw .badInput("holds the run of another model or text", file: path, remedy: "give another name")
        }
        guard
            try file.digest(of: start..<file.bytes.count).bytes.elementsEqual(
                file.bytes[identity.count..<start])
        else {
            throw .badInput(
                "is damaged: its values are not those that were kept", file: path, remedy: "remove it")
        }
        return values
    }

    /// 8 bytes of name, then the SHA-256 of model, tokens and window. That of the values follows, and the values.
    private static func identity(
        _ model: Model, _ tokens: [Int32], _ window: Int
    ) throws(Failure) -> [UInt8] {
        let identity =
            model.bundle.digest.bytes + tokens.withUnsafeBytes(Array.init) + Array("\(window)".utf8)
        return Array("TSRHIDE2".utf8) + (try SHA256.digest(identity)).bytes
    }
}
