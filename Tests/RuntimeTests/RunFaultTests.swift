import Accuracy
import Bundles
import Runtime
import Storage
import Tessera
import TestSupport
import Testing
import Threads

/// What only a run shows: weights that are as their formats leave them, and a stage that is far away for all that.
@Suite(.serialized) struct RunFaultTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// Every other channel of the values of a block's attention is made 1024 times as large, and the columns of its output that
    /// read them as much smaller: in bfloat16 the model computes the same, but in groups of 4 bits such columns are lost beside
    /// their neighbours.
    private func outliers(block: Int) throws -> EditedCheckpoint {
        let edited = try EditedCheckpoint("demo-qwen2-vl")
        var floats = try EditedFloats(edited.path)
        let name = "visual.blocks.\(block).attn"
        let suffix = try #require(floats.names.first { $0.hasSuffix("\(name).qkv.weight") })
        let stem = suffix.dropLast("qkv.weight".count)
        try floats.change("\(stem)qkv.weight") { values, columns in
            for row in stride(from: 2 * columns, to: 3 * columns, by: 2) {
                for column in 0..<columns { values[row * columns + column] *= 1024 }
            }
        }
        try floats.change("\(stem)qkv.bias") { values, columns in
            for row in stride(from: 2 * columns / 3, to: columns, by: 2) { values[row] *= 1024 }
        }
        try floats.change("\(stem)proj.weight") { values, columns in
            for index in stride(from: 0, to: values.count, by: 2) { values[index] /= 1024 }
        }
        try floats.write()
        return edited
    }

    private func compare(
        _ checkpoint: EditedCheckpoint, _ recipe: String
    ) throws -> (RunComparison, WeightComparison) {
        let path = directory.file("recipe.json")
        try writeFile(OutputPath(path, replacing: true, inputs: []), Array(recipe.utf8))
        let base = try makeBundle(checkpoint.path, nil, at: directory.file("base.tessera"))
        let other = try makeBundle(checkpoint.path, path, at: directory.file("other.tessera"))
        let weights = try WeightComparison(
            base: Bundle(base), other: Bundle(other), ThreadPool(threads: 2))
        func open(_ path: String) throws -> Model {
            try Model(path, .init(threads: 2, cachePrecision: .float32))
        }
        let run = try RunComparison(
            base: open(base), other: open(other), picture: "demo-pictures/scene_3.png",
            "What digit is written?", answerTokens: 8, attributionTokens: 48)
        return (run, weights)
    }

    private func expected(_ weights: WeightComparison) -> [String: Double] {
        Dictionary(weights.tensors.map { ($0.name, $0.error > 0 ? max($0.expected, $0.error) : 0) }) { a, _ in
            a
        }
    }

    @Test func outliersAreFoundByRunning() throws {
        let checkpoint = try outliers(block: 1)
        let four = "{\"bits\": 4, \"group\": 32}"
        let recipe = "{\"name\": \"four\", \"rules\": [@], \"default\": {\"encoding\": \(four)}}"
        let (run, weights) = try compare(checkpoint, recipe.replacing("@", with: ""))
        #expect(weights.findings.isEmpty)
        let findings = RunFindings(run, expected: expected(weights)).findings
        #expect(findings.count == 1, "\(findings.map(\.words))")
        let first = try #require(findings.first)
        #expect(first.kind == .stage && first.stage == "vision.block.1.attention")
        #expect(first.tensor == "vision.block.1.attention.output.weight")
        let worst = try #require(run.attribution?.costliest.first)
        #expect(worst.name == "vision.block.1.attention.output")
        #expect(worst.cost.only > (run.attribution?.whole ?? 0) / 2)

        // The rule that is proposed mends it.
        let rule = try #require(first.remedy.split(separator: ": ", maxSplits: 1).last)
        let (mended, others) = try compare(checkpoint, recipe.replacing("@", with: rule))
        #expect(RunFindings(mended, expected: expected(others)).findings.isEmpty)
        #expect(mended.divergence.mean < run.divergence.mean / 2)
    }
}
