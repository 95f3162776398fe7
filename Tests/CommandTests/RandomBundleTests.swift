import Checkpoints
import Storage
import TestSupport
import Testing

/// `tessera-bench model --random` makes a bundle of a manifest and times it.
@Suite struct RandomBundleTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// The demo's shapes without its weights.
    private func manifest() throws -> String {
        let folder = Fixtures.path("demo-qwen2-vl")
        let tensors = try Checkpoint(folder).tensors
        let entries = tensors.map { tensor in
            JSON.pairs([
                "name": .string(tensor.name), "dtype": .string(tensor.type.rawValue),
                "shape": .array(tensor.shape.extents.map(JSON.int)),
            ])
        }
        let json = JSON.pairs([
            "name": "tiny", "source": "none", "config": try JSON(file: Path.join(folder, "config.json")),
            "total_size": .int(tensors.reduce(0) { $0 + $1.data.count }), "tensors": .array(entries),
        ])
        let path = directory.file("tiny.json")
        try putFile(path, Array(json.serialized().utf8))
        return path
    }

    private func bench(_ arguments: [String]) throws -> Outcome {
        let all = try ["model", "--random", manifest(), "-p", "8", "-n", "2", "-r", "1"] + arguments
        return try run("tessera-bench", arguments: all)
    }

    @Test func aManifestIsTimed() throws {
        let outcome = try bench(["--image", "56", "-o", "jsonl"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let rows = try outcome.output.split(separator: "\n").map { try JSON(parsing: Array($0.utf8)) }
        #expect(
            rows.map { $0["test"]?.string } == ["pp8", "tg2", "tg2, sampled", "image 56x56"])
        #expect(rows.allSatisfy { $0["model_type"]?.string?.hasPrefix("qwen2-vl int") == true })
        #expect(rows.allSatisfy { ($0["integer_macs"]?.int ?? 0) > 0 })
        #expect(outcome.errors.contains("by the recipe 'int4'") && outcome.errors.contains("made in"))
    }

    /// What is kept is a bundle like any other, and the same one every time.
    @Test func bundlesAreKept() throws {
        let (first, second) = (directory.file("first"), directory.file("second"))
        for path in [first, second] {
            let outcome = try bench(["--recipe", "int8", "--keep", path, "-t", path == first ? "1" : "2"])
            #expect(outcome.status == 0, "\(outcome.errors)")
        }
        #expect(try shell("cmp '\(first)' '\(second)'").status == 0)
        let inspected = try run("tessera-inspect", first, "--verify")
        #expect(inspected.status == 0, "\(inspected)")
        let again = try bench(["--keep", first])
        #expect(again.status == 2 && again.errors.contains("exists already"), "\(again)")
    }

    @Test func layersAreLeftOut() throws {
        func parameters(_ arguments: [String]) throws -> Int {
            let outcome = try bench(arguments + ["-o", "jsonl"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            let line = try #require(outcome.output.split(separator: "\n").first)
            return try #require(try JSON(parsing: Array(line.utf8))["model_n_params"]?.int)
        }
        let layer = try Checkpoint(Fixtures.path("demo-qwen2-vl")).tensors
            .filter { $0.name.contains("layers.3.") }.reduce(0) { $0 + $1.shape.count }
        #expect(try parameters([]) - parameters(["--random-layers", "1"]) == 3 * layer)
    }

    /// A recipe that asks for more than random weights have.
    @Test func calibrationIsNotMadeUp() throws {
        let outcome = try bench(["--recipe", "int4-best"])
        #expect(outcome.status == 2 && outcome.errors.contains("calibration"), "\(outcome)")
    }
}
