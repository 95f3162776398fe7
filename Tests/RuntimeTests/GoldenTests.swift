import Accuracy
import Checkpoints
import FloatProducts
import Prompts
import Runtime
import Storage
import Tessera
import TestSupport
import Testing

/// The float path against what transformers computed in float32, from every layout that checkpoints come in.
@Suite(.serialized) struct GoldenTests {
    /// Differences come from the order of float32 additions alone; the stages are within some 1e-6 of their largest value.
    static let tolerance = 2e-5

    @Test(
        arguments: ["published", "nested", "nestedFloat32", "nestedFloat64"], ["text", "image1", "image2"])
    func everyStageAgrees(layout: String, name: String) throws {
        let path =
            switch layout {
            case "published": try Bundled.random.get()
            case "nested": try Layouts.nested.get()
            case "nestedFloat32": try Layouts.nestedFloat32.get()
            default: try Layouts.nestedFloat64.get()
            }
        let cases = try Fixtures.json("qwen2-vl/golden/cases.json")
        for large in [nil, LargeProduct.openBLAS()] {
            let model = try Model(path, .init(threads: 2, cachePrecision: .float32, largeProduct: large))
            var pictures: [Patches] = []
            for picture in cases[name]?["pictures"]?.strings ?? [] {
                pictures.append(try model.picture(Fixtures.path("qwen2-vl/golden/\(picture)")))
            }
            if let digest = cases[name]?["pixel_values_sha256"]?.string {
                let pixels = pictures.flatMap(\.values).withUnsafeBytes(Array.init)
                #expect(try SHA256.digest(pixels).description == digest)
            }
            let comparison = try GoldenComparison(
                model, file: Fixtures.path("qwen2-vl/golden/\(name).safetensors"), pictures: pictures)
            #expect(comparison.positionsEqual == true)
            #expect(comparison.stages.count == (pictures.isEmpty ? 3 : 5))
            #expect(comparison.firstBeyond(GoldenTests.tolerance)?.name == nil)
            let greedy = try #require(comparison.greedy)
            #expect(greedy.reference == greedy.model)
        }
    }

    @Test(arguments: ["scene_0", "scene_1"])
    func theTrainedModelAgrees(name: String) throws {
        let model = try Model(try Bundled.demo.get(), .init(threads: 2, cachePrecision: .float32))
        let comparison = try GoldenComparison(
            model, file: Fixtures.path("demo-pictures/\(name).safetensors"),
            pictures: [try model.picture(Fixtures.path("demo-pictures/\(name).png"))])
        #expect(comparison.firstBeyond(GoldenTests.tolerance)?.name == nil)
        #expect(!comparison.stages.isEmpty)
        let greedy = try #require(comparison.greedy)
        #expect(greedy.model.starts(with: greedy.reference))
    }

    /// A comparison that could not fail would prove nothing.
    @Test func aWrongWeightIsFoundWhereItIs() throws {
        let model = try Model(try Bundled.demoInt4.get(), .init(threads: 2))
        let comparison = try GoldenComparison(
            model, file: Fixtures.path("demo-pictures/scene_0.safetensors"),
            pictures: [try model.picture(Fixtures.path("demo-pictures/scene_0.png"))])
        #expect(comparison.firstBeyond(GoldenTests.tolerance)?.name == "image.out")
    }
}

/// The published fixture rewritten as later tools save it: one file, nested names, nested configuration.
private enum Layouts {
    static let nested = Result { try make("BF16") { $0 } }
    static let nestedFloat32 = Result { try make("F32", widened) }
    static let nestedFloat64 = Result { try make("F64", widenedTwice) }

    private static let directory = Result { try TemporaryDirectory() }

    private static func make(_ type: String, _ convert: ([UInt8]) -> [UInt8]) throws -> String {
        let folder = try directory.get().file(type)
        try makeDirectory(folder)
        for file in try Path.list(Fixtures.path("qwen2-vl/nested")) {
            try writeFile(Path.join(folder, file), try readFile(Fixtures.path("qwen2-vl/nested/\(file)")))
        }
        var tensors: [TestTensor] = []
        for tensor in try Checkpoint(Fixtures.path("qwen2-vl/published")).tensors {
            var name = tensor.name
            if name.hasPrefix("visual.") {
                name = "model." + name
            } else if name.hasPrefix("model.") {
                name = "model.language_model." + name.dropFirst(6)
            }
            let bytes = convert([UInt8](tensor.data.bytes))
            tensors.append(TestTensor(name, type, tensor.shape.extents, bytes))
        }
        try writeSafetensors(tensors, to: Path.join(folder, "model.safetensors"))
        return try makeBundle(folder, nil, at: directory.get().file(type + ".tessera"))
    }

    private static func widenedTwice(_ bytes: [UInt8]) -> [UInt8] {
        let floats = widened(bytes).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        return floats.map(Double.init).withUnsafeBytes(Array.init)
    }

    /// bf16 is the upper half of f32.
    private static func widened(_ bytes: [UInt8]) -> [UInt8] {
        stride(from: 0, to: bytes.count, by: 2).flatMap { [0, 0, bytes[$0], bytes[$0 + 1]] }
    }
}
