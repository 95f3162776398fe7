import Bundles
import Storage
import TestSupport
import Testing

/// `--adapter`, through the commands.
@Suite struct AdapterCommandTests {
    private static let base = Fixtures.path("qwen3-vl/published")
    private static let lora = Fixtures.path("adapters/lora")
    private static let dora = Fixtures.path("adapters/dora")

    private func convert(_ arguments: String...) throws -> Outcome {
        try run("tessera-from-qwen3-vl", arguments: [Self.base] + arguments)
    }

    @Test func adaptersAreMergedInTheirOrder() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("merged"), plain = directory.file("plain"), small = directory.file("small")
        let outcome = try convert("-o", path, "--adapter", Self.lora, "--adapter", Self.dora)
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(
            outcome.errors.contains("adapter \(Self.lora) (for 'qwen3-vl'): 4 weights changed, 2 replaced"))
        #expect(
            outcome.errors.contains("adapter \(Self.dora) (for 'qwen3-vl'): 3 weights changed, 0 replaced"))
        #expect(outcome.errors.contains("q_norm.weight: an adapter holds another in its place"))
        #expect(try convert("-o", plain).status == 0)
        let (merged, unchanged) = (try Bundle(path), try Bundle(plain))
        let differing = Set(merged.tensors.filter { $0.digest != unchanged[$0.name]?.digest }.map(\.name))
        #expect(
            differing == [
                "text.embedding.weight", "text.head.weight", "text.block.0.attention.q.weight",
                "text.block.0.attention.k.weight", "text.block.0.attention.v.weight",
                "text.block.0.mlp.down.weight",
                "text.block.0.attention.q_norm.weight", "text.block.1.attention.q_norm.weight",
                "vision.block.1.attention.qkv.weight",
            ])
        let shown = try run("tessera-inspect", path, "--verify")
        #expect(shown.status == 0, "\(shown.errors)")
        // On the way or after: the same.
        #expect(
            try convert("-o", small, "--adapter", Self.lora, "--adapter", Self.dora, "--quantize", "int8")
                .status == 0)
        let later = directory.file("later")
        #expect(try run("tessera-quantize", path, "-o", later, "--recipe", "int8").status == 0)
        #expect(try Bundle(small).tensors.map(\.digest) == Bundle(later).tensors.map(\.digest))
    }

    @Test func whatIsNotSupportedEndsWithThree() throws {
        let directory = try TemporaryDirectory()
        let adapter = try EditedCheckpoint("adapters/lora")
        try adapter.set("adapter_config.json", ["bias"], to: "all")
        for (folder, message) in [
            (adapter.path, "trained biases"), (directory.path, "holds no adapter_config.json"),
            (directory.file("nowhere"), "holds no adapter_config.json"),
        ] {
            let outcome = try convert("-o", directory.file("out"), "--adapter", folder)
            #expect(outcome.status == 3 && outcome.errors.contains(message), "\(outcome.errors)")
            #expect(!Path.exists(directory.file("out")))
        }
        let twice = try convert("-o", directory.file("out"), "--adapter", Self.lora, "--adapter", Self.lora)
        #expect(twice.status == 3 && twice.errors.contains("is given twice"))
        let alone = try run("tessera-from-qwen3-vl", Self.lora, "-o", directory.file("out"))
        #expect(alone.status == 3 && alone.errors.contains("convert that model, with --adapter"))
    }
}
