import Bundles
import Calibration
import Generations
import GraphIR
import GroupFormats
import Prompts
import Runtime
import SampleSets
import Storage
import Tessera
import TestSupport
import Testing

/// A fixture's model with a calibration set of tokens and patches that are drawn, and what was found with it.
final class ProbedFixture {
    let model: Model
    let graph: ModelGraph
    let patches: SpooledPatches
    private(set) var set: PreparedSet
    private let directory: TemporaryDirectory

    init(_ fixture: String, bundle: String? = nil) throws {
        directory = try TemporaryDirectory()
        let path = try bundle ?? Bundled.path(fixture)
        model = try Model(path, .init(threads: 2, cachePrecision: .float32, largeProduct: nil))
        graph = try ModelGraph(json: model.bundle.graphJSON)
        patches = try SpooledPatches()
        set = PreparedSet(model.prompt)
    }

    /// Adds a sample: the placeholders of a visual of noise, if any, then text.
    /// - Parameter answers: the tokens that are the model's own.
    func add(
        _ medium: PromptPiece.Medium?, _ grid: PatchGrid?, text: Int, answers: [Range<Int>] = []
    ) throws {
        let settings = model.prompt
        var tokens: [Int32] = []
        var visuals: [PreparedSet.Visual] = []
        if let medium, let grid {
            let count = try settings.shape(medium, grid).tokens
            let pad = try #require(medium == .video ? settings.videoToken : settings.imageToken)
            tokens = Array(repeating: pad, count: count)
            visuals = [.init(medium, grid)]
            let width = settings.images.rowLength
            try patches.append((0..<(grid.patches ?? 0) * width).map { Float($0 * 7919 % 2003) / 1000 - 1 })
        }
        tokens += (0..<text).map { Int32($0 * 31 % 150) + 1 }
        try set.add(tokens, visuals, answers: answers)
    }

    /// One small picture and some text, whatever the generation takes.
    func addUsual() throws {
        let side = model.prompt.images.fixedSide.map { $0 / model.prompt.images.patchSize } ?? 8
        try add(.image, PatchGrid(t: 1, h: side, w: side), text: 40)
        try add(nil, nil, text: 150)
    }

    func calibrate(detail: Detail = .light) throws -> CalibrationFile {
        let path = directory.file("cal")
        let recorder = try CalibrationRecorder(
            model.bundle, set, patches: patches, detail: detail, sensitivity: true, threads: 2)
        _ = try recorder.run(to: OutputPath(path, replacing: true, inputs: []), data: .null) {
            _ throws(Failure) in
        }
        return try CalibrationFile(path, of: model.bundle.digest, graph, model.prompt)
    }

    /// A weight of floats with some of its rows doubled.
    func doubled(_ name: String, rows: Range<Int>) throws -> LentWeight {
        let weight = try #require(LentWeight(name, of: model.bundle))
        let columns = try #require(weight.shape.extents.last)
        let values = Values(count: weight.shape.count)
        let source = weight.bytes.bindMemory(to: UInt16.self)
        for index in 0..<weight.shape.count {
            let value = Float(bitPattern: UInt32(source[index]) << 16)
            values.floats[index] = rows.contains(index / columns) ? 2 * value : value
        }
        return LentWeight(
            .float(.float32), weight.shape, UnsafeRawBufferPointer(values.floats), owner: values)
    }

    private final class Values {
        let floats: UnsafeMutableBufferPointer<Float>
        init(count: Int) { floats = .allocate(capacity: count) }
        deinit { floats.deallocate() }
    }
}
