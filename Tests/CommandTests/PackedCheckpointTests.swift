import Bundles
import Storage
import TestSupport
import Testing

/// Checkpoints that were published quantized, through the commands.
@Suite struct PackedCheckpointTests {
    private static let carried = "32 weights of published codes: 32 carried over exactly, 0 dequantized"

    private func convert(_ checkpoint: String, to output: String, _ options: String...) throws -> Outcome {
        let outcome = try run(
            "tessera-from-qwen2-vl", arguments: [checkpoint, "-o", output] + options)
        #expect(outcome.status == 0, "\(outcome.errors)")
        return outcome
    }

    private func encodings(_ bundle: Bundle, _ part: String) -> Set<String> {
        Set(bundle.tensors.filter { $0.name.contains(part) && $0.shape.rank == 2 }.map { "\($0.encoding)" })
    }

    @Test func codesAreCarriedThroughBothCommands() throws {
        let directory = try TemporaryDirectory()
        let twin = try PackedTwin(.gptq, of: "demo-qwen2-vl", in: directory)
        let kept = directory.file("kept")
        #expect(try convert(twin.packed, to: kept).errors.contains(PackedCheckpointTests.carried))
        let shown = try run("tessera-inspect", kept, "--verify")
        #expect(shown.status == 0 && shown.output.contains(PackedCheckpointTests.carried))
        #expect(shown.output.contains("int4-g32-f16"))
        let ledger = try Bundle(kept).metadata["provenance"]?["ledger"]?["published"]
        #expect(ledger?["weights"]?.members?.count == 32)
        #expect(
            ledger?["weights"]?["text.block.0.mlp.up.weight"]?.string == "GPTQ codes carried over exactly")

        let direct = directory.file("direct"), steps = directory.file("steps")
        _ = try convert(twin.packed, to: direct, "--quantize", "int4")
        let quantized = try run("tessera-quantize", kept, "-o", steps, "--recipe", "int4")
        #expect(quantized.status == 0)
        #expect(quantized.errors.contains(PackedCheckpointTests.carried))
        let (one, two) = (try Bundle(direct), try Bundle(steps))
        #expect(one.tensors.map(\.digest) == two.tensors.map(\.digest))
        #expect(one.tensors.map(\.note) == two.tensors.map(\.note))
        #expect(encodings(one, "text.block") == ["int4-g32-f16"])
        #expect(encodings(one, "embedding") == ["int8-g32"])
        for tensor in one.tensors where "\(tensor.encoding)" == "int4-g32-f16" {
            #expect(try Bundle(kept)[tensor.name]?.digest == tensor.digest)
        }
        let answer = try run(
            "tessera-run", steps, "--image", Fixtures.path("demo-pictures/scene_0.png"), "-p",
            "Describe the picture.")
        #expect(answer.status == 0 && !answer.output.isEmpty)
    }

    @Test func fewerBitsAreGivenOnlyWhereTheRecipeHasFewer() throws {
        let directory = try TemporaryDirectory()
        let twin = try PackedTwin(.gptq8, of: "demo-qwen2-vl", in: directory)
        let kept = directory.file("kept"), four = directory.file("four")
        _ = try convert(twin.packed, to: kept)
        let quantized = try run("tessera-quantize", kept, "-o", four, "--recipe", "int4")
        #expect(
            quantized.errors.contains(
                "32 weights of published codes: 4 carried over exactly, 28 dequantized"))
        let bundle = try Bundle(four)
        // The recipe gives the vision tower 8 bits, which it has.
        #expect(encodings(bundle, "text.block") == ["int4-g32"])
        #expect(encodings(bundle, "attention.q").contains("int8-g32-f16"))
        let ledger = try bundle.metadata["provenance"]?["ledger"]?["published"]?["weights"]
        #expect(
            ledger?["text.block.0.mlp.up.weight"]?.string
                == "GPTQ codes carried over exactly; dequantized: the recipe gives it 4 bits; weighted search"
        )
    }

    @Test func whatCannotBeCarriedIsSaid() throws {
        let directory = try TemporaryDirectory()
        let twin = try PackedTwin(.gptqReordered, of: "demo-qwen2-vl", in: directory)
        let kept = directory.file("kept")
        let outcome = try convert(twin.packed, to: kept)
        #expect(
            outcome.errors.contains("32 weights of published codes: 0 carried over exactly, 32 dequantized"))
        let weights = try Bundle(kept).metadata["provenance"]?["ledger"]?["published"]?["weights"]
        #expect(
            weights?["text.block.0.mlp.up.weight"]?.string
                == "GPTQ codes dequantized: their columns are in the order of the activations")
    }
}
