import Checkpoints
import Prompts
import Runtime
public import Storage
public import Tessera

/// A model against what the original implementation computed: the first stage that differs is where the error is.
///
/// The file holds inputs (`input_ids`, `pixel_values`, `image_grid_thw`, `pixel_values_videos`, `video_grid_thw`,
/// `second_per_grid_ts`) and any of these references: `image.`/`video.` `patch_embed`, `block{i}.attn`, `block{i}`, `out`;
/// `llm.inputs_embeds`, `llm.layer{i}.attn`, `.mlp`, `.out`, `llm.norm`, `llm.position_ids`, `logits`, `logits_last`,
/// `greedy.ids`. Where a name with `_legacy` stands beside one, the former holds what the models were trained with and is
/// the one compared.
public struct GoldenComparison {
    /// In the order of execution.
    public let stages: [StageError]
    /// Nil without a reference.
    public let positionsEqual: Bool?
    /// Of the next-token distributions, the reference as base; nil without one.
    public let divergence: Divergence.Summary?
    /// The tokens that the reference and the model choose greedily; nil without a reference.
    public let greedy: (reference: [Int32], model: [Int32])?

    /// The first stage whose relative maximum error is beyond `tolerance`.
    public func firstBeyond(_ tolerance: Double) -> StageError? {
        stages.first { !($0.relativeMaximum <= tolerance) }
    }

    /// Runs the model on the inputs of `file` and compares.
    /// - Parameter visuals: for a file without pixels, the pictures and videos of its prompt.
    /// - Throws: `badInput` when the file lacks inputs or they do not fit the model.
    public init(
        _ model: Model, file path: String, visuals: [PreparedPrompt.Visual] = []
    ) throws(Failure) {
        let file = try ReferenceFile(path)
        guard let ids = try file.integers("input_ids") else {
            throw .badInput("holds no 'input_ids'", file: path)
        }
        let visuals =
            try visuals
            + GoldenComparison.visuals(file, .image, "pixel_values", "image_grid_thw", model)
            + GoldenComparison.visuals(file, .video, "pixel_values_videos", "video_grid_thw", model)
        let prompt = try PreparedPrompt(tokens: ids.values, visuals: visuals, settings: model.prompt)
        let run = try StageComparison(file)
        let rows = try model.encodeVisuals(of: prompt) { _, medium in
            { name, values, _ in run.compare("\(medium.rawValue).", name, values) }
        }
        let context = try TextContext(model.engine, capacity: prompt.tokens.count + 64)
        let hidden = try context.evaluate(prompt.input(rows), wanted: .all) { name, values, _ in
            run.compare("llm.", name, values)
        }
        divergence = try GoldenComparison.compareLogits(model, hidden, file, run)
        if let failure = run.failure { throw failure }
        stages = run.stages
        positionsEqual = try file.integers("position_ids_legacy", "llm.position_ids").map {
            $0.values == prompt.positions.values
        }
        if let reference = try file.integers("greedy.ids")?.values {
            let tokens = try context.continueGreedily(
                from: hidden, next: prompt.positions.next, count: reference.count)
            greedy = (reference, tokens)
        } else {
            greedy = nil
        }
    }

    private static func visuals(
        _ file: ReferenceFile, _ medium: PromptPiece.Medium, _ pixels: String, _ grids: String, _ model: Model
    ) throws(Failure) -> [PreparedPrompt.Visual] {
        guard let pixels = try file.floats(pixels), let grids = try file.integers(grids) else { return [] }
        let width = model.engine.patchWidth
        guard pixels.shape.last == width, grids.shape.last == 3 else {
            throw .badInput("holds pixels that are not patches of \(width)", file: file.path)
        }
        var visuals: [PreparedPrompt.Visual] = []
        var start = 0
        let seconds = medium == .video ? try file.floats("second_per_grid_ts")?.values : nil
        for index in stride(from: 0, to: grids.values.count, by: 3) {
            let grid = PatchGrid(
                t: Int(grids.values[index]), h: Int(grids.values[index + 1]), w: Int(grids.values[index + 2]))
            guard let count = grid.patches, count > 0, (start + count) * width <= pixels.values.count else {
                throw .badInput("holds grids that do not fit the pixels", file: file.path)
            }
            let values = Array(pixels.values[start * width..<(start + count) * width])
            let secondsPerFrame = seconds.flatMap {
                $0.indices.contains(index / 3) ? Double($0[index / 3]) : nil
            }
            visuals.append(
                .init(medium, Patches(values: values, grid: grid), secondsPerFrame: secondsPerFrame ?? 1))
            start += count
        }
        return visuals
    }

    private static func compareLogits(
        _ model: Model, _ hidden: Engine.Rows, _ file: ReferenceFile, _ run: StageComparison
    ) throws(Failure) -> Divergence.Summary? {
        guard let reference = try file.floats("logits_legacy", "logits", "logits_last") else { return nil }
        let vocabulary = model.engine.vocabulary
        let count = reference.values.count / vocabulary
        guard reference.values.count == count * vocabulary, count <= hidden.count else {
            throw .badInput("holds logits of another vocabulary", file: file.path)
        }
        let rows = Engine.Rows(
            values: Array(hidden.values.suffix(count * model.engine.width)), columns: model.engine.width)
        let logits = try model.engine.logits(rows)
        var divergence = Divergence()
        reference.values.withUnsafeBufferPointer { base in
            logits.values.withUnsafeBufferPointer { other in
                run.compare(other, reference: base, stage: "logits")
                for row in 0..<count {
                    let range = row * vocabulary..<(row + 1) * vocabulary
                    divergence.add(
                        base: UnsafeBufferPointer(rebasing: base[range]),
                        other: UnsafeBufferPointer(rebasing: other[range]), target: nil)
                }
            }
        }
        return divergence.summary
    }
}

/// Compares named values with those of a file as they come, piece by piece.
private final class StageComparison {
    private let file: ReferenceFile
    private var order: [String] = []
    private var errors: [String: StageError.Accumulator] = [:]
    /// Elements of each stage already seen: pictures and chunks come one after the other.
    private var seen: [String: Int] = [:]
    private(set) var failure: Failure?

    /// Whether the reference placed text after a long video elsewhere than the model was trained: then only what has
    /// a `_legacy` form is comparable in the decoder.
    private let decoderNeedsLegacy: Bool

    init(_ file: ReferenceFile) throws(Failure) {
        self.file = file
        let legacy = try file.integers("position_ids_legacy")?.values
        let current = try file.integers("llm.position_ids")?.values
        decoderNeedsLegacy = legacy != nil && current != nil && legacy != current
    }

    var stages: [StageError] { order.compactMap { name in errors[name]?.finish(name) } }

    func compare(_ prefix: String, _ name: String, _ values: UnsafeBufferPointer<Float>) {
        let reference = prefix + StageComparison.referenceName(name, isText: prefix == "llm.")
        do {
            let legacy = try file.floats(reference + "_legacy")
            let needsLegacy = decoderNeedsLegacy && prefix == "llm." && name != "inputs"
            let plain = needsLegacy ? nil : try file.floats(reference)
            guard let stored = legacy ?? plain else { return }
            let expected =
                name.hasPrefix("block")
                ? try inRasterOrder(stored, file.integers(prefix + "window_index")) : stored
            let start = seen[reference, default: 0]
            guard start + values.count <= expected.values.count else {
                throw Failure.badInput(
                    "has another size than the model's", file: file.path, at: "tensor '\(reference)'")
            }
            seen[reference] = start + values.count
            expected.values.withUnsafeBufferPointer {
                compare(
                    values, reference: UnsafeBufferPointer(rebasing: $0[start..<start + values.count]),
                    stage: reference)
            }
        } catch {
            failure = failure ?? error as? Failure
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
            order.allSatisfy({ order.indices.contains(Int($0)) })
        else { throw .badInput("holds windows that do not fit the rows", file: file.path) }
        var result = stored
        for (index, row) in order.enumerated() {
            let target = Int(row) * size
            result.values.replaceSubrange(
                target..<target + size, with: stored.values[index * size..<(index + 1) * size])
        }
        return result
    }

    func compare(_ values: UnsafeBufferPointer<Float>, reference: UnsafeBufferPointer<Float>, stage: String) {
        if errors[stage] == nil { order.append(stage) }
        errors[stage, default: .init()].add(values, reference: reference)
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
