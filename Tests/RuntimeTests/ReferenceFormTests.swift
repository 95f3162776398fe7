import Accuracy
import Prompts
import Runtime
import Storage
import Tessera
import TestSupport
import Testing

/// The forms that a file of reference activations may have beside the plain one.
@Suite(.serialized) struct ReferenceFormTests {
    private let directory: TemporaryDirectory
    private let model: Model

    init() throws {
        directory = try TemporaryDirectory()
        model = try Model(try Bundled.demo.get(), .init(threads: 2, cachePrecision: .float32))
    }

    private func picture(_ name: String) throws -> Patches {
        try model.picture(Fixtures.path("demo-pictures/\(name).png"))
    }

    /// The trained model's reference, its tensors changed, compared with the model.
    private func compare(
        _ pictures: [String], extra: [TestTensor] = [], _ change: (TestTensor) -> TestTensor = { $0 }
    ) throws -> GoldenComparison {
        let path = directory.file("reference.safetensors")
        let tensors = try readSafetensors(Fixtures.path("demo-pictures/scene_0.safetensors")).map(change)
        try putFile(path, [])
        try writeSafetensors(tensors + extra, to: path)
        return try GoldenComparison(
            model, file: path, visuals: pictures.map { .init(.image, try picture($0)) })
    }

    private static func floats(_ tensor: TestTensor) -> [Float] {
        (0..<tensor.bytes.count / 4).map { index in
            tensor.bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 4 * index, as: Float.self) }
        }
    }

    /// Half the bytes: what is lost is the rounding alone, 2^-8 of a value in bfloat16 and 2^-11 in float16.
    @Test(arguments: [("BF16", 1.0 / 256), ("F16", 1.0 / 2048)])
    func halfPrecisionIsRead(type: String, rounding: Double) throws {
        let comparison = try compare(["scene_0"]) { tensor in
            // Pixels are fed: rounded, they would change every stage.
            guard tensor.type == "F32", !tensor.name.hasPrefix("pixel") else { return tensor }
            let bytes = ReferenceFormTests.floats(tensor).flatMap { value in
                let bits =
                    type == "F16"
                    ? Float16(value).bitPattern
                    : UInt16(
                        truncatingIfNeeded: (value.bitPattern + 0x7fff + (value.bitPattern >> 16 & 1)) >> 16)
                return [UInt8(truncatingIfNeeded: bits), UInt8(truncatingIfNeeded: bits >> 8)]
            }
            return TestTensor(tensor.name, type, tensor.shape, bytes)
        }
        #expect(!comparison.stages.isEmpty)
        for stage in comparison.stages {
            #expect(stage.relativeMaximum < 1.01 * rounding + 1e-5, "\(stage.name)")
            #expect(stage.relativeMaximum > rounding / 100, "\(stage.name)")
        }
    }

    @Test func otherTypesAreRefused() throws {
        #expect(throws: Failure.self) {
            try compare(["scene_0"]) { tensor in
                tensor.type == "F32" ? TestTensor(tensor.name, "I32", tensor.shape, tensor.bytes) : tensor
            }
        }
    }

    /// Pictures that come beside their pixels are prepared and compared with these, which alone are run.
    @Test func picturesAreComparedWithTheirPixels() throws {
        let pixels = try picture("scene_0")
        let (count, width) = (pixels.grid.t * pixels.grid.h * pixels.grid.w, model.engine.patchWidth)
        let extra = TestTensor(
            "pixel_values", "F32", [count, width], pixels.values.withUnsafeBytes { Array($0) })
        let same = try compare(["scene_0"], extra: [extra])
        #expect(same.stages.first?.name == "image.pixel_values" && same.stages.first?.relativeMaximum == 0)
        #expect(same.faults(1e-3).isEmpty)
        let other = try compare(["scene_1"], extra: [extra])
        #expect(other.firstBeyond(1e-3)?.name == "image.pixel_values")
        #expect(other.stages.dropFirst().allSatisfy { $0.relativeMaximum < 1e-3 })
        #expect(try compare([], extra: [extra]).stages.first?.name != "image.pixel_values")
    }
}
