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
/// the one compared. Any other name, but for a few that references keep for themselves (`ReferenceNames`), is an error.
public struct GoldenComparison {
    /// In the order of execution.
    public let stages: [StageError]
    /// Nil without a reference.
    public let positionsEqual: Bool?
    /// Of the next-token distributions, the reference as base; nil without one.
    public let divergence: Divergence.Summary?
    /// The tokens that the reference and the model choose greedily; nil without a reference.
    public let greedy: (reference: [Int32], model: [Int32])?
    /// Names in the file that were to be compared and were not: they are of no stage of this model, or of none that ran.
    public let missed: [String]
    /// References that have more values than the model computed, or fewer.
    public let sizes: [(name: String, reference: Int, model: Int)]

    /// The first stage whose relative maximum error is beyond `tolerance`.
    public func firstBeyond(_ tolerance: Double) -> StageError? {
        stages.first { !($0.relativeMaximum <= tolerance) }
    }

    /// All that speaks against the model, or against the file as its reference: none when the comparison succeeds.
    public func faults(_ tolerance: Double) -> [Failure] {
        var faults: [Failure] = []
        func add(_ message: String, at place: String? = nil) {
            faults.append(Failure(.mismatch, message, at: place))
        }
        if stages.isEmpty, positionsEqual == nil, greedy == nil { add("nothing was compared") }
        if let name = missed.first {
            add(
                "was not compared: it is of no stage of this model, or of none that ran"
                    + (missed.count > 1 ? "; so are \(missed.count - 1) more" : ""), at: "tensor '\(name)'")
        }
        for size in sizes {
            add("has \(size.reference) values where the model computed \(size.model)", at: size.name)
        }
        if positionsEqual == false { add("the positions differ") }
        if let stage = stages.first(where: { $0.nonFinite.count > 0 }) {
            faults += [stage.nonFinite.failure(at: stage.name, unit: "row")].compactMap { $0 }
        } else if let stage = firstBeyond(tolerance) {
            add(
                "is the first stage beyond \(tolerance): relative error \(Float(stage.relativeMaximum))",
                at: stage.name)
        }
        if let greedy, greedy.reference != greedy.model {
            let same = zip(greedy.reference, greedy.model).prefix { $0 == $1 }.count
            add("the greedy tokens differ from number \(same) on")
        }
        return faults
    }

    /// Runs the model on the inputs of `file` and compares.
    /// - Parameter visuals: the pictures of its prompt; where the file has their pixels, these are compared and the file's run.
    /// - Throws: `badInput` when the file lacks inputs or they do not fit the model.
    public init(
        _ model: Model, file path: String, visuals: [PreparedPrompt.Visual] = []
    ) throws(Failure) {
        let file = try ReferenceFile(path)
        guard let ids = try file.integers("input_ids") else {
            throw .badInput("holds no 'input_ids'", file: path)
        }
        let pictures = try GoldenComparison.visuals(file, .image, "pixel_values", "image_grid_thw", model)
        let run = try StageComparison(file)
        if !pictures.isEmpty, !visuals.isEmpty {
            // Pictures beside their pixels are there to be compared: what runs are the reference's.
            let own = visuals.flatMap(\.patches.values)
            own.withUnsafeBufferPointer {
                run.compare(
                    $0, pictures.flatMap(\.patches.values), "image.pixel_values", model.engine.patchWidth)
            }
        }
        let fed =
            try (pictures.isEmpty ? visuals : pictures)
            + GoldenComparison.visuals(file, .video, "pixel_values_videos", "video_grid_thw", model)
        let prompt = try PreparedPrompt(tokens: ids.values, visuals: fed, settings: model.prompt)
        let rows = try model.encodeVisuals(of: prompt) { _, medium in
            { name, values, columns in run.compare("\(medium.rawValue).", name, values, columns) }
        }
        let reference = try file.integers("greedy.ids")?.values ?? []
        let context = try TextContext(model.engine, capacity: prompt.tokens.count + reference.count + 1)
        let hidden = try context.evaluate(prompt.input(rows), wanted: .all) { name, values, columns in
            run.compare("llm.", name, values, columns)
        }
        divergence = try GoldenComparison.compareLogits(model, hidden, run)
        positionsEqual = try run.positions().map { $0 == prompt.positions.values }
        (stages, sizes) = try run.finish()
        missed = run.missed(greedy: !reference.isEmpty)
        if !reference.isEmpty {
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
        guard let pixels = try file.floats(pixels) else { return [] }
        guard let grids = try file.integers(grids) else {
            throw .badInput("holds pixels without '\(grids)'", file: file.path)
        }
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
        guard start * width == pixels.values.count else {
            throw .badInput("holds grids that do not fit the pixels", file: file.path)
        }
        return visuals
    }

    private static func compareLogits(
        _ model: Model, _ hidden: Engine.Rows, _ run: StageComparison
    ) throws(Failure) -> Divergence.Summary? {
        let vocabulary = model.engine.vocabulary
        var divergence = Divergence()
        for name in ["logits", "logits_last"] {
            guard let reference = try run.reference("", name, isText: true) else { continue }
            // Of the last rows, as many as there are.
            let last = max(1, min(hidden.count, reference.values.count / vocabulary))
            let rows = name == "logits" ? hidden.count : last
            let count = min(rows, reference.values.count / vocabulary)
            let logits = try model.engine.logits(
                Engine.Rows(
                    values: Array(hidden.values.suffix(rows * hidden.columns)), columns: hidden.columns)
            )
            logits.values.withUnsafeBufferPointer { run.compare($0, reference.values, name, vocabulary) }
            try reference.values.prefix(count * vocabulary).withUnsafeBufferPointer {
                (base) throws(Failure) in
                try logits.values.prefix(count * vocabulary).withUnsafeBufferPointer {
                    (other) throws(Failure) in
                    try divergence.add(
                        base: base, other: other, targets: Array(repeating: nil, count: count),
                        places: Array(hidden.count - rows..<hidden.count - rows + count), model.engine.pool)
                }
            }
        }
        return divergence.summary
    }
}
