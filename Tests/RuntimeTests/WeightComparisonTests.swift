import Accuracy
import BundleCommands
import Bundles
import Calibration
import GraphIR
import GroupFormats
import Quantization
import Storage
import Tessera
import TestSupport
import Testing
import Threads

@testable import Generations

/// Two sound bundles of one model have nothing out of line, whatever they hold it in.
@Suite(.serialized) struct WeightComparisonTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    static let fixtures = ["demo-qwen2-vl"] + Fixtures.published

    private func bundle(_ fixture: String, _ recipe: String?) throws -> Bundle {
        try Bundle(Bundled.path(fixture, recipe))
    }

    private func compare(_ base: Bundle, _ other: Bundle) throws -> WeightComparison {
        try WeightComparison(base: base, other: other, ThreadPool(threads: 2))
    }

    private func expectNothing(_ base: Bundle, _ other: Bundle, line: Int = #line) throws {
        let comparison = try compare(base, other)
        #expect(comparison.findings.isEmpty, "line \(line): \(comparison.findings.map(\.words))")
        #expect(comparison.tensors.count == base.tensors.count)
    }

    /// Full precision, int8 and int4 against each other, and a solver that searches.
    @Test(arguments: fixtures) func recipesRaiseNoAlarm(fixture: String) throws {
        let bundles = try [nil, "int8", "int4"].map { try bundle(fixture, $0) }
        for (place, base) in bundles.enumerated() {
            for other in bundles[..<place] + bundles[(place + 1)...] { try expectNothing(base, other) }
        }
        try expectNothing(bundles[0], bundle(fixture, "int4-fast"))
    }

    /// What a solver makes that knows the inputs, of few inputs.
    @Test(arguments: Fixtures.published) func calibratedCodesRaiseNoAlarm(fixture: String) throws {
        let probed = try ProbedFixture(fixture)
        try probed.addUsual()
        let base = probed.model.bundle
        let calibration = try probed.calibrate(detail: .full)
        for bits in [GroupFormat.Bits.four, .eight] {
            let format = try #require(GroupFormat(bits, groupSize: 32))
            let recipe = Recipe("r", rules: [.init(["text.*", "vision.*"], .groups(format, .refit))])
            let plan = try QuantizationPlan(recipe, probed.graph, BundleWeights(base).weights)
            let weights = try RewriteSearch(plan, probed.graph, base, calibration, threads: 1) {
                _ throws(Failure) in
            }.weights
            let path = directory.file("calibrated.tessera")
            let writer = try BundleWriter(
                OutputPath(path, replacing: true, inputs: []), fingerprint: recipe.json,
                plan: plan.descriptions)
            _ = try CalibratedQuantizer(plan, probed.graph, weights, calibration, threads: 2).run(
                into: writer
            ) {
                _ throws(Failure) in
            }
            _ = try writer.finish(
                graph: base.graphJSON, metadata: base.metadata, tokenizer: base.tokenizer)
            try expectNothing(base, Bundle(path))
            try expectNothing(Bundle(path), base)
        }
    }

    /// Codes of other tools against what they stand for, and against what they were made of.
    @Test(arguments: PackedTwin.Method.allCases) func codesOfOtherToolsRaiseNoAlarm(
        method: PackedTwin.Method
    ) throws {
        let twin = try PackedTwin(method, of: "demo-qwen2-vl", in: directory)
        let packed = try Bundle(makeBundle(twin.packed, nil, at: directory.file("packed.tessera")))
        let plain = try Bundle(makeBundle(twin.plain, nil, at: directory.file("plain.tessera")))
        let original = try bundle("demo-qwen2-vl", nil)
        try expectNothing(plain, packed)
        try expectNothing(original, packed)
        try expectNothing(packed, bundle("demo-qwen2-vl", "int8"))
    }

    /// bfloat16 of float32: what is lost is what rounding loses.
    @Test func aShorterFloatRaisesNoAlarm() throws {
        let checkpoint = try EditedCheckpoint("demo-qwen2-vl")
        let path = Path.join(checkpoint.path, "model.safetensors")
        // Values between those of bfloat16.
        let longer = try readSafetensors(path).map { tensor in
            TestTensor(
                tensor.name, "F32", tensor.shape,
                stride(from: 0, to: tensor.bytes.count, by: 2).flatMap { place in
                    [UInt8(truncatingIfNeeded: place * 37), 0x5A] + tensor.bytes[place..<place + 2]
                })
        }
        try writeSafetensors(longer, to: path)
        let exact = try Bundle(makeBundle(checkpoint.path, nil, at: directory.file("exact.tessera")))
        var rounded = try EditedFloats(checkpoint.path)
        for name in rounded.names {
            try rounded.change(name) { values, _ in
                values = values.map {
                    Float(bitPattern: ($0.bitPattern &+ 0x7FFF &+ ($0.bitPattern >> 16 & 1)) & 0xFFFF_0000)
                }
            }
        }
        try rounded.write()
        let short = try readSafetensors(path).map { tensor in
            TestTensor(
                tensor.name, "BF16", tensor.shape,
                stride(from: 0, to: tensor.bytes.count, by: 4).flatMap { tensor.bytes[$0 + 2..<$0 + 4] })
        }
        try writeSafetensors(short, to: path)
        let other = try Bundle(makeBundle(checkpoint.path, nil, at: directory.file("short.tessera")))
        try expectNothing(exact, other)
        try expectNothing(other, exact)
        let medians = try #require(try compare(exact, other).medians)
        #expect(medians.error > 1e-3 && medians.error < 3e-3)
    }

    /// Figures by another way: what a bundle says of a tensor is what its values say.
    @Test func figuresAreThoseOfTheValues() throws {
        let checkpoint = try EditedCheckpoint("qwen2.5-vl/published")
        var floats = try EditedFloats(checkpoint.path)
        var (difference, energy) = (0.0, 0.0)
        try floats.change("model.layers.0.mlp.gate_proj.weight") { values, columns in
            for value in values { energy += Double(value) * Double(value) }
            for index in columns..<2 * columns {
                difference += Double(values[index]) * Double(values[index])
                values[index] = 0
            }
        }
        try floats.write()
        let other = try Bundle(makeBundle(checkpoint.path, nil, at: directory.file("other.tessera")))
        let comparison = try compare(bundle("qwen2.5-vl", nil), other)
        let tensor = try #require(comparison.tensors.first { $0.name == "text.block.0.mlp.gate.weight" })
        #expect(abs(tensor.error - (difference / energy).squareRoot()) < 1e-6)
        #expect(abs(tensor.cosine - (1 - difference / energy).squareRoot()) < 1e-6)
        #expect(tensor.worstRow?.row == 1 && abs((tensor.worstRow?.error ?? 0) - 1) < 1e-6)
        #expect(tensor.worstGroup?.row == 1 && tensor.role == "text.mlp.gate")
        #expect(comparison.findings.map(\.kind) == [.differs])
        #expect(comparison.findings.first?.tensor == tensor.name)
        #expect(comparison.verdict.hasPrefix(tensor.name))
    }

    /// Of another model nothing is explained weight by weight.
    @Test func anotherModelIsSaidOnce() throws {
        let checkpoint = try EditedCheckpoint("qwen2.5-vl/published")
        var floats = try EditedFloats(checkpoint.path)
        var random = SteadyNoise(7)
        for name in floats.names {
            try floats.change(name) { values, _ in values = values.map { _ in random.next() } }
        }
        try floats.write()
        let other = try Bundle(makeBundle(checkpoint.path, nil, at: directory.file("other.tessera")))
        let findings = try compare(bundle("qwen2.5-vl", nil), other).findings
        #expect(findings.contains { $0.tensor == nil && $0.words.contains("another training") })
        let others = try compare(bundle("qwen2.5-vl", nil), bundle("qwen3-vl", nil)).findings
        #expect(others.contains { $0.kind == .missing || $0.kind == .shape })
    }
}

/// Numbers between −1 and 1 that are the same each time.
private struct SteadyNoise {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> Float {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Float(Int64(bitPattern: state) >> 40) / Float(1 << 23)
    }
}
