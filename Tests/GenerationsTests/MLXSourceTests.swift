import Checkpoints
import Storage
import TestSupport
import Testing

@testable import Generations

/// Copies whose names, axes and norms do not tell the same of who wrote them.
@Suite struct MLXSourceTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func read(_ twin: MLXTwin) throws -> ImportedModel {
        try twin.write(to: directory.path)
        return try Converter.qwen35.read(directory.path)
    }

    private func refuses(
        _ words: String, sourceLocation: SourceLocation = #_sourceLocation,
        changed change: (inout MLXTwin) -> Void
    ) throws {
        var twin = try MLXTwin(of: "qwen3.5/published", rounded: true)
        change(&twin)
        let failure = #expect(throws: Failure.self, sourceLocation: sourceLocation) { try read(twin) }
        #expect(failure?.kind == .badInput, sourceLocation: sourceLocation)
        #expect("\(failure as Any)".contains(words), "\(failure as Any)", sourceLocation: sourceLocation)
    }

    private static let kernel = "language_model.model.layers.1.linear_attn.conv1d.weight"

    @Test func axesAndNamesThatDisagree() throws {
        func turn(_ twin: inout MLXTwin, _ isTurned: (String) -> Bool) {
            twin.tensors = twin.tensors.map { tensor in
                guard tensor.name.hasSuffix("conv1d.weight"), isTurned(tensor.name) else { return tensor }
                let shape = [tensor.shape[0], tensor.shape[2], tensor.shape[1]]
                return TestTensor(tensor.name, tensor.type, shape, tensor.bytes)
            }
        }
        try refuses("as published, but names begin with 'vision_tower.'") { turn(&$0) { _ in true } }
        try refuses("one lies as published, and one as in MLX") { turn(&$0) { $0 == Self.kernel } }
        try refuses("as published, but config.json has 'quantization'") { twin in
            turn(&twin) { _ in true }
            Self.publish(&twin)
            twin.config = twin.config.setting("quantization", to: .pairs(["group_size": 64, "bits": 4]))
        }
        // With nothing else of MLX's the axes are no more than a wrong shape.
        try refuses("has shape [112, 4, 1], not [112, 1, 4]") { Self.publish(&$0) }
    }

    /// Gives the text's tensors their published names, and the tower's tensors those and their axes.
    private static func publish(_ twin: inout MLXTwin) {
        twin.tensors = twin.tensors.map { tensor in
            let name = tensor.name.replacing("language_model.model.", with: "model.language_model.")
                .replacing("vision_tower.", with: "model.visual.")
            let shape = tensor.shape
            let isKernel = shape.count == 5
            return TestTensor(
                name, tensor.type, isKernel ? [shape[0], shape[4], shape[1], shape[2], shape[3]] : shape,
                tensor.bytes)
        }
    }

    private static func isNorm(_ name: String) -> Bool {
        name.contains("layernorm") || name.hasSuffix("model.norm.weight")
            || name.contains("self_attn")
                && name.contains("norm")
    }

    /// Norms as published in a copy of MLX's layout would be scales about 0.
    @Test func normsWithoutOne() throws {
        let published = try readAll("qwen3.5/published")
        try refuses("norms should hold 1 + w, but they hold what lies about 0") { twin in
            twin.tensors = twin.tensors.map { tensor in
                let name = tensor.name.replacing("language_model.model.", with: "model.language_model.")
                guard Self.isNorm(tensor.name), let bytes = published[name] else { return tensor }
                return TestTensor(tensor.name, "BF16", tensor.shape, bytes)
            }
        }
    }

    /// Norms with 1 added in the published layout could be a model's: the user is told.
    @Test func normsWithOne() throws {
        var copy = try EditedTensors("qwen3.5")
        let whole = Dictionary(
            uniqueKeysWithValues: try MLXTwin(of: "qwen3.5/published", rounded: true).tensors.map {
                ($0.name.replacing("language_model.model.", with: "model.language_model."), $0.bytes)
            })
        copy.tensors = copy.tensors.map { tensor in
            guard Self.isNorm(tensor.name), let bytes = whole[tensor.name] else { return tensor }
            return TestTensor(tensor.name, tensor.type, tensor.shape, bytes)
        }
        try copy.write()
        let model = try Converter.qwen35.read(copy.path)
        #expect(model.warnings.contains { $0.contains("hold what lies about 1, as 1 + w does") })
        #expect(
            try !Converter.qwen35.read(Fixtures.path("qwen3.5/published")).warnings.contains {
                $0.contains("norms")
            })
    }

    private func readAll(_ fixture: String) throws -> [String: [UInt8]] {
        Dictionary(
            uniqueKeysWithValues: try Checkpoint(Fixtures.path(fixture)).tensors.map {
                ($0.name, Array($0.data.bytes))
            })
    }
}
