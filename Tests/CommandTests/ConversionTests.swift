import Bundles
import Storage
import TestSupport
import Testing

/// Checkpoints that are not what they claim to be: a clear error with the documented code, and no bundle.
@Suite struct ConversionTests {
    private func refused(_ copy: CheckpointCopy, _ words: String..., code: Int32 = 3) throws {
        let outcome = try copy.convert()
        #expect(outcome.status == code)
        for word in words { #expect(outcome.errors.contains(word), "\(outcome.errors)") }
        #expect(!Path.exists(copy.directory.file("out.tessera")))
    }

    @Test func theLedgerIsPrintedAndKept() throws {
        let copy = try CheckpointCopy()
        let outcome = try copy.convert()
        #expect(outcome.status == 0)
        #expect(outcome.errors.contains("105 source tensors: 105 mapped, 0 fused, 0 unused, 0 missing"))
        let report = try run("tessera-inspect", copy.directory.file("out.tessera"), "--verify")
        #expect(report.status == 0)
        #expect(report.output.contains("105 source tensors: 105 mapped, 0 fused, 0 unused, 0 missing"))
        #expect(report.output.contains("(verified)"))
    }

    @Test func aTruncatedFile() throws {
        let copy = try CheckpointCopy()
        try copy.edit("model.safetensors") { $0.removeLast(1000) }
        try refused(copy, "model.safetensors")
    }

    @Test func aHeaderThatClaimsTwoToTheSixty() throws {
        let copy = try CheckpointCopy()
        try copy.edit("model.safetensors") { $0.replaceSubrange(0..<8, with: [0, 0, 0, 0, 0, 0, 0, 0x10]) }
        try refused(copy, "model.safetensors", "1152921504606846976")
    }

    @Test func overlappingOffsets() throws {
        let copy = try CheckpointCopy()
        // The digits of an offset, changed without changing the length of the header.
        let header = String(
            decoding: try readFile(copy.directory.file("model.safetensors")).prefix(2000), as: UTF8.self)
        let offsets = try #require(header.firstMatch(of: /"data_offsets":\[(\d\d\d+),/))
        let digits = String(offsets.1)
        let other = String(digits.dropLast()) + (digits.last == "0" ? "8" : "0")
        try copy.replace("[\(digits),", by: "[\(other),")
        try refused(copy, "model.safetensors", "tensor '")
    }

    @Test func aWrongType() throws {
        let copy = try CheckpointCopy()
        try copy.replace("\"BF16\"", by: "\"F8.3\"")
        try refused(copy, "is a tensor of F8.3, which there is no reader for")
    }

    @Test func aTypeOfAnotherSize() throws {
        let copy = try CheckpointCopy()
        try copy.replace("\"dtype\":\"BF16\"", by: "\"dtype\":\"F32\" ")
        try refused(copy, "model.safetensors", "tensor '")
    }

    @Test func aMissingShard() throws {
        let copy = try CheckpointCopy("qwen2-vl/published")
        let outcome = try withoutFile(copy, "model-00002-of-00003.safetensors")
        #expect(outcome.status == 3)
        #expect(outcome.errors.contains("model-00002-of-00003.safetensors"))
    }

    private func withoutFile(_ copy: CheckpointCopy, _ name: String) throws -> Outcome {
        removeFile(copy.directory.file(name))
        return try copy.convert()
    }

    @Test func aShardOutsideTheFolder() throws {
        let copy = try CheckpointCopy("qwen2-vl/published")
        try copy.replace(
            "model-00002-of-00003.safetensors", by: "../../x", in: "model.safetensors.index.json")
        try refused(copy, "../../x")
    }

    @Test func aMissingAndASurplusTensor() throws {
        let copy = try CheckpointCopy()
        try copy.replace("model.layers.2.mlp.up_proj.weight", by: "model.layers.9.mlp.up_proj.weight")
        try refused(
            copy, "'model.layers.9.mlp.up_proj.weight' is beyond what config.json describes",
            "nothing fills 'text.block.2.mlp.up.weight'")
    }

    @Test func anUnknownTensor() throws {
        let copy = try CheckpointCopy()
        try copy.replace("model.layers.2.mlp.up_proj.weight", by: "model.layers.2.mlp.XX_proj.weight")
        try refused(copy, "'model.layers.2.mlp.XX_proj.weight' is not a tensor of this generation")
    }

    @Test func aMisshapenTensor() throws {
        let copy = try CheckpointCopy()
        try copy.replace("\"num_hidden_layers\": 4", by: "\"num_hidden_layers\": 3", in: "config.json")
        try refused(copy, "model.layers.3")
    }

    @Test func notANumber() throws {
        let copy = try CheckpointCopy()
        // The last two bytes of the file are the last weight of some tensor: make it a bf16 NaN.
        try copy.edit("model.safetensors") {
            $0.replaceSubrange($0.count - 2..<$0.count, with: [0xC0, 0x7F])
        }
        try refused(copy, "tensor '", "nan")
    }

    @Test func anotherGeneration() throws {
        let copy = try CheckpointCopy()
        try copy.replace(
            "\"model_type\": \"qwen2_vl\"", by: "\"model_type\": \"qwen3_vl\"", in: "config.json")
        try refused(copy, "tessera-from-qwen3-vl")
    }

    /// A checkpoint's own template is taken as it is; another one is said wherever the model is used.
    @Test func aChatTemplateIsTakenAsItIs() throws {
        let copy = try CheckpointCopy()
        try copy.replace("You are a helpful assistant.", by: "You are a pirate.", in: "chat_template.json")
        #expect(try copy.convert().status == 0)
        let bundle = copy.directory.file("out.tessera")
        #expect(try run("tessera-inspect", bundle, "--metadata").output.contains("You are a pirate."))
        let again = try run(
            "tessera-from-qwen2-vl", copy.path, "-o", bundle, "--force", "--chat-template", "qwen2-vl")
        #expect(again.status == 0)
        let inspected = try run("tessera-inspect", bundle)
        let answered = try run("tessera-run", bundle, "-p", "Hi", "-n", "1")
        for outcome in [inspected, answered] {
            #expect(outcome.errors.contains("another chat template than its checkpoint's"))
        }
    }

    @Test func whatIsThereIsNotOverwritten() throws {
        let copy = try CheckpointCopy()
        #expect(try copy.convert().status == 0)
        let again = try run("tessera-from-qwen2-vl", copy.path, "-o", copy.directory.file("out.tessera"))
        #expect(again.status != 0)
        #expect(again.errors.contains("--force") || again.errors.contains("exists"))
    }

    @Test func aDryRunWritesNothing() throws {
        let copy = try CheckpointCopy()
        let outcome = try copy.convert("--dry-run")
        #expect(outcome.status == 0)
        #expect(outcome.output.contains("BF16"))
        #expect(!Path.exists(copy.directory.file("out.tessera")))
    }

    @Test func theSameBytesOnAnyThreadsAndInOneStepOrTwo() throws {
        let copy = try CheckpointCopy()
        func bytes(_ name: String) throws -> [UInt8] { try readFile(copy.directory.file(name)) }
        let checkpoint = Fixtures.path("demo-qwen2-vl")
        for (name, threads) in [("one", "1"), ("two", "2"), ("again", "2")] {
            let outcome = try run(
                "tessera-from-qwen2-vl", checkpoint, "-o", copy.directory.file(name), "--quantize", "int4",
                "-t", threads)
            #expect(outcome.status == 0, "\(outcome.errors)")
        }
        #expect(try bytes("one") == bytes("two"))
        #expect(try bytes("one") == bytes("again"))
        #expect(try copy.convert().status == 0)
        let quantized = try run(
            "tessera-quantize", copy.directory.file("out.tessera"), "-o", copy.directory.file("steps"),
            "--recipe", "int4")
        #expect(quantized.status == 0)
        let (direct, steps) = (
            try Bundle(copy.directory.file("one")), try Bundle(copy.directory.file("steps"))
        )
        // The weights are the same; the provenance says which way they came.
        #expect(direct.tensors.map(\.digest) == steps.tensors.map(\.digest))
    }
}
