import Storage

/// Compares named values with those of a file as they come, piece by piece.
final class StageComparison {
    private let file: ReferenceFile
    private var order: [String] = []
    private var errors: [String: StageError.Accumulator] = [:]
    /// Elements of each stage: those of the reference, and those seen already, for pictures and chunks come one after the other.
    private var sizes: [String: (reference: Int, model: Int)] = [:]
    /// The names in the file that were compared.
    private var compared: Set<String> = []
    private var failure: Failure?

    /// Whether the reference placed text after a long video elsewhere than the model was trained: then only what has
    /// a `_legacy` form is comparable in the decoder.
    private let decoderNeedsLegacy: Bool

    init(_ file: ReferenceFile) throws(Failure) {
        self.file = file
        let legacy = try file.integers("position_ids_legacy")?.values
        let current = try file.integers("llm.position_ids")?.values
        decoderNeedsLegacy = legacy != nil && current != nil && legacy != current
    }

    /// The errors of the stages in the order in which they came, and the references that had another size.
    /// - Throws: `badInput` when a reference could not be read.
    func finish() throws(Failure) -> ([StageError], [(name: String, reference: Int, model: Int)]) {
        if let failure { throw failure }
        let different = order.compactMap { name in
            sizes[name].flatMap { $0.reference == $0.model ? nil : (name, $0.reference, $0.model) }
        }
        return (order.compactMap { name in errors[name]?.finish(name) }, different)
    }

    /// The names of the file that nothing was compared with.
    func missed(greedy: Bool) -> [String] {
        ReferenceNames.missed(
            file.names, compared: greedy ? compared.union(["greedy.ids"]) : compared,
            decoderNeedsLegacy: decoderNeedsLegacy)
    }

    /// The positions of the prompt's tokens, axis after axis; nil when the file has none.
    func positions() throws(Failure) -> [Int32]? {
        for name in ["position_ids_legacy", "llm.position_ids"] {
            guard let positions = try file.integers(name) else { continue }
            compared.insert(name)
            return positions.values
        }
        return nil
    }

    /// The reference of that name in the form that is comparable; nil when the file has none.
    func reference(
        _ prefix: String, _ name: String, isText: Bool
    ) throws(Failure) -> (values: [Float], shape: [Int])? {
        let name = prefix + name
        let needsLegacy = decoderNeedsLegacy && isText && name != "llm.inputs_embeds"
        for form in needsLegacy ? [name + "_legacy"] : [name + "_legacy", name] {
            guard let stored = try file.floats(form) else { continue }
            compared.insert(form)
            return stored
        }
        return nil
    }

    func compare(_ prefix: String, _ name: String, _ values: UnsafeBufferPointer<Float>, _ columns: Int) {
        let isText = prefix == "llm."
        let stage = StageComparison.referenceName(name, isText: isText)
        do throws(Failure) {
            guard let stored = try reference(prefix, stage, isText: isText) else { return }
            let expected =
                name.hasPrefix("block")
                ? try inRasterOrder(stored, file.integers(prefix + "window_index")) : stored
            compare(values, expected.values, prefix + stage, columns)
        } catch {
            failure = failure ?? error
        }
    }

    /// A reference that computes window by window keeps its blocks' rows in that order: merged row k is the picture's
    /// row `order[k]`.
    private func inRasterOrder(
        _ stored: (values: [Float], shape: [Int]), _ order: (values: [Int32], shape: [Int])?
    ) throws(Failure) -> (values: [Float], shape: [Int]) {
        guard let order = order?.values else { return stored }
        let size = stored.values.count / max(1, order.count)
        guard order.count * size == stored.values.count,
            order.allSatisfy({ order.indices.contains(Int($0)) }), Set(order).count == order.count
        else { throw .badInput("holds windows that do not fit the rows", file: file.path) }
        var result = stored
        for (index, row) in order.enumerated() {
            let target = Int(row) * size
            result.values.replaceSubrange(
                target..<target + size, with: stored.values[index * size..<(index + 1) * size])
        }
        return result
    }

    /// Compares the next values of a stage with what the whole of it should be, as far as that goes.
    func compare(
        _ values: UnsafeBufferPointer<Float>, _ expected: [Float], _ stage: String, _ columns: Int
    ) {
        if errors[stage] == nil { order.append(stage) }
        let start = sizes[stage]?.model ?? 0
        sizes[stage] = (expected.count, start + values.count)
        let common = max(0, min(values.count, expected.count - start))
        expected.withUnsafeBufferPointer {
            let (first, end) = (min(start, expected.count), min(start, expected.count) + common)
            errors[stage, default: .init()].add(
                UnsafeBufferPointer(rebasing: values[..<common]),
                reference: UnsafeBufferPointer(rebasing: $0[first..<end]), columns: columns)
        }
    }

    /// The name that the goldens use for a value of the graph.
    private static func referenceName(_ name: String, isText: Bool) -> String {
        let words = name.split(separator: ".")
        guard words.first == "block", words.count >= 2 else {
            return name == "inputs" ? "inputs_embeds" : name
        }
        let block = (isText ? "layer" : "block") + words[1]
        switch words.dropFirst(2).first {
        case "attention": return block + ".attn"
        case let part?: return block + "." + part
        case nil: return isText ? block + ".out" : block
        }
    }
}
