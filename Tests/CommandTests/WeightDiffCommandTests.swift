import Storage
import TestSupport
import Testing

/// `tessera-diff` with two bundles and nothing to run them on.
@Suite struct WeightDiffCommandTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func quantized(_ recipe: String) throws -> String {
        let path = directory.file("\(recipe).tessera")
        let outcome = try run(
            "tessera-quantize", try SharedBundles.demo.get(), "--recipe", recipe, "-o", path)
        #expect(outcome.status == 0, "\(outcome.errors)")
        return path
    }

    @Test func aVerdictComesFirst() throws {
        let (base, other) = (try SharedBundles.demo.get(), try quantized("int4"))
        let outcome = try run("tessera-diff", base, other)
        #expect(outcome.status == 0, "\(outcome.errors)")
        let lines = outcome.output.split(separator: "\n")
        #expect(lines.first?.hasSuffix("nothing is out of line.") == true)
        #expect(lines.contains { $0.hasPrefix("text.mlp.up ") && $0.contains("int4-g32") })
        #expect(!outcome.output.contains("text.block.2.mlp.up.weight"))
        let verbose = try run("tessera-diff", base, other, "-v")
        #expect(verbose.output.contains("text.block.2.mlp.up.weight"))
    }

    @Test func aFaultIsInTheDocument() throws {
        let checkpoint = try EditedCheckpoint("demo-qwen2-vl")
        var floats = try EditedFloats(checkpoint.path)
        try floats.change("model.layers.1.self_attn.q_proj.weight") { values, columns in
            for index in 9 * columns..<10 * columns { values[index].negate() }
        }
        try floats.write()
        let other = directory.file("other.tessera")
        #expect(try run("tessera-from-qwen2-vl", checkpoint.path, "-o", other).status == 0)
        let outcome = try run("tessera-diff", try SharedBundles.demo.get(), other, "--json")
        // A finding is something to look at; what fails is a limit.
        #expect(outcome.status == 0, "\(outcome.errors)")
        let document = try JSON(parsing: Array(outcome.output.utf8))
        let finding = try #require(document["findings"]?.array?.first)
        #expect(finding["kind"] == "row-negated" && finding["tensor"] == "text.block.1.attention.q.weight")
        #expect(abs((finding["figure"]?.double ?? 0) - 2) < 1e-3 && finding["expected"]?.double != nil)
        #expect(document["verdict"]?.string?.contains("row 9") == true)
        #expect(document["tensors"]?.array?.count == 105)
    }

    @Test func aLimitIsAGate() throws {
        let (base, other) = (try SharedBundles.demo.get(), try quantized("int8"))
        #expect(try run("tessera-diff", base, other, "--max-weight-error", "0.01").status == 0)
        let outcome = try run("tessera-diff", base, other, "--max-weight-error", "0.001", "--json")
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains("--max-weight-error 0.001") && outcome.errors.contains("tensor '"))
        _ = try JSON(parsing: Array(outcome.output.utf8))
        for arguments in [
            [base, "--max-weight-error", "1"], [base, other, "--verify", "--max-weight-error", "1"],
            [base, other, "--max-kl", "1"], [base, other, "--max-rel-error", "1"],
        ] {
            #expect(try run("tessera-diff", arguments: arguments).status == 2, "\(arguments)")
        }
    }

    /// The same figures on any number of threads.
    @Test func threadsChangeNothing() throws {
        let (base, other) = (try SharedBundles.demo.get(), try quantized("int4"))
        let one = try run("tessera-diff", base, other, "--json", "-t", "1")
        #expect(try run("tessera-diff", base, other, "--json", "-t", "5").output == one.output)
    }

    /// Values that are not finite are found, and are as far away as can be.
    @Test func whatIsNotFiniteIsNamed() throws {
        let base = try SharedBundles.demo.get()
        let other = try alter(
            base, ["text.block.2.norm1.weight": .nan], elements: 3..<4, at: directory.file("nan.tessera"))
        let outcome = try run("tessera-diff", base, other, "--json", "--max-weight-error", "1e9")
        #expect(outcome.status == 1)
        let document = try JSON(parsing: Array(outcome.output.utf8))
        let finding = document["findings"]?.array?.first
        #expect(finding?["kind"] == "not-finite" && finding?["tensor"] == "text.block.2.norm1.weight")
        #expect(finding?["figure"] == "infinite")
    }
}
