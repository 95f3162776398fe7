import Accuracy
import BundleCommands
import Bundles
import GraphIR
import GroupFormats
import Storage
import TestSupport
import Testing
import Threads

@testable import Generations

/// Faults that converters and quantizers had, put into checkpoints: each is the first finding, by its name.
@Suite(.serialized) struct WeightFaultTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    static let recipes: [String?] = [nil, "int4"]

    /// What a bundle of the fixture's checkpoint differs in, and one of the same checkpoint after a change.
    private func findings(
        _ fixture: String, _ recipe: String?,
        change: (inout EditedFloats) throws -> Void = { _ in },
        settings: (EditedCheckpoint) throws -> Void = { _ in }
    ) throws -> [Finding] {
        let folder =
            Path.isDirectory(Fixtures.path("\(fixture)/published")) ? "\(fixture)/published" : fixture
        let edited = try EditedCheckpoint(folder)
        try settings(edited)
        var floats = try EditedFloats(edited.path)
        try change(&floats)
        try floats.write()
        let other = try makeBundle(edited.path, recipe, at: directory.file("other.tessera"))
        return try WeightComparison(
            base: Bundle(Bundled.path(fixture)), other: Bundle(other), ThreadPool(threads: 2)
        ).findings
    }

    /// The findings are one, of this kind and about this tensor.
    private func expect(
        _ findings: [Finding], _ kind: Finding.Kind, _ tensor: String?, _ words: String...,
        line: Int = #line
    ) {
        #expect(findings.count == 1, "line \(line): \(findings.map(\.words))")
        #expect(findings.first?.kind == kind, "line \(line)")
        #expect(findings.first?.tensor == tensor, "line \(line)")
        for part in words {
            #expect(findings.first?.words.contains(part) == true, "line \(line): \(findings.map(\.words))")
        }
    }

    private static let (gate, gateName) = (
        "model.layers.0.mlp.gate_proj.weight", "text.block.0.mlp.gate.weight"
    )

    @Test(arguments: recipes) func rowsInAnotherOrder(recipe: String?) throws {
        let found = try findings("qwen2.5-vl", recipe) {
            try $0.change(Self.gate) { values, columns in
                let rows = values.count / columns
                // 5 has no divisor in common with 56.
                let original = values
                values = []
                for row in 0..<rows {
                    let start = (row * 5 + 3) % rows * columns
                    values += original[start..<start + columns]
                }
            }
        }
        expect(found, .rowsPermuted, Self.gateName, "another order")
    }

    @Test(arguments: recipes) func twoRowsInEachOthersPlace(recipe: String?) throws {
        let found = try findings("qwen2.5-vl", recipe) {
            try $0.change(Self.gate) { values, columns in
                values.exchange(3 * columns..<4 * columns, 7 * columns..<8 * columns)
            }
        }
        expect(found, .rowsSwapped, Self.gateName, "rows 3 and 7")
    }

    @Test(arguments: recipes) func aRowOfTheOtherSign(recipe: String?) throws {
        let found = try findings("qwen2.5-vl", recipe) {
            try $0.change(Self.gate) { values, columns in
                for index in 5 * columns..<6 * columns { values[index].negate() }
            }
        }
        expect(found, .rowNegated, Self.gateName, "row 5")
        #expect(abs((found.first?.figure ?? 0) - 2) < 0.05)
    }

    @Test(arguments: recipes, [Float(2), 1.25]) func aGroupTimesAConstant(recipe: String?, factor: Float)
        throws
    {
        let found = try findings("demo-qwen2-vl", recipe) {
            try $0.change(Self.gate) { values, columns in
                for index in 6 * columns + 32..<6 * columns + 64 { values[index] *= factor }
            }
        }
        expect(found, .groupScaled, Self.gateName, "group 1 of row 6", "columns 32 to 63")
    }

    @Test(arguments: recipes) func aRowTimesAConstant(recipe: String?) throws {
        let found = try findings("demo-qwen2-vl", recipe) {
            try $0.change(Self.gate) { values, columns in
                for index in 6 * columns..<7 * columns { values[index] *= 1.5 }
            }
        }
        expect(found, .rowScaled, Self.gateName, "row 6 times 1.")
    }

    @Test(arguments: recipes) func normsInEachOthersPlace(recipe: String?) throws {
        let found = try findings("qwen2.5-vl", recipe) {
            try $0.swap(
                "model.layers.0.input_layernorm.weight", "model.layers.0.post_attention_layernorm.weight")
        }
        #expect(found.count == 1 && found.first?.kind == .swappedWith)
        for name in ["text.block.0.norm1.weight", "text.block.0.norm2.weight"] {
            #expect(found.first?.words.contains(name) == true)
        }
    }

    @Test(arguments: recipes) func expertsInEachOthersPlace(recipe: String?) throws {
        let found = try findings("qwen3-vl-moe", recipe) {
            for name in $0.names where name.contains("layers.1.mlp.experts") {
                try $0.change(name) { values, _ in
                    let expert = values.count / 5
                    values.exchange(expert..<2 * expert, 3 * expert..<4 * expert)
                }
            }
        }
        #expect(found.count == 3)
        for finding in found {
            #expect(finding.kind == .swappedWith && finding.words.contains("experts 1 and 3"))
            #expect(finding.tensor?.hasPrefix("text.block.1.experts.") == true)
        }
    }

    @Test(arguments: recipes) func coloursOfTheKernelInAnotherOrder(recipe: String?) throws {
        let found = try findings("qwen2.5-vl", recipe) {
            let name = try #require($0.names.first { $0.contains("patch_embed") })
            try $0.change(name) { values, _ in
                let row = 3 * 2 * 14 * 14
                let third = row / 3
                for start in stride(from: 0, to: values.count, by: row) {
                    values.exchange(start..<start + third, start + 2 * third..<start + row)
                }
            }
        }
        expect(found, .channelsSwapped, "vision.patch_embed.weight", "blue, green, red")
    }

    @Test(arguments: recipes) func anEpsilon(recipe: String?) throws {
        let found = try findings(
            "qwen2.5-vl", recipe, settings: { try $0.set("config.json", ["rms_norm_eps"], to: 1e-3) })
        expect(found, .graph, "text.block.0.norm1.weight", "epsilon", "0.001")
    }

    @Test(arguments: recipes) func aSectionOfTheRotaryTable(recipe: String?) throws {
        let found = try findings(
            "qwen2.5-vl", recipe,
            settings: { try $0.set("config.json", ["rope_scaling", "mrope_section"], to: [3, 2, 3]) })
        expect(found, .graph, nil, "sections", "[2,3,3]", "[3,2,3]")
    }

    @Test(arguments: recipes) func coloursOfPicturesInAnotherOrder(recipe: String?) throws {
        let mean: JSON = [0.408_210_73, 0.457_827_5, 0.481_454_66]
        let found = try findings(
            "qwen2.5-vl", recipe,
            settings: { try $0.set("preprocessor_config.json", ["image_mean"], to: mean) })
        #expect(!found.isEmpty && found.allSatisfy { $0.kind == .promptSettings })
        #expect(found.first?.stage == "prompt.image_processing.mean")
        #expect(found.first?.words.contains("red and blue") == true)
    }

    /// A scale byte that is larger than it should be moves values away from the minimum, not from zero.
    @Test func aScaleLargerByAQuarter() throws {
        let base = try Bundle(Bundled.path("demo-qwen2-vl"))
        let source = try Bundle(Bundled.path("demo-qwen2-vl", "int4"))
        let writer = try BundleWriter(
            OutputPath(directory.file("scale.tessera"), replacing: true, inputs: []), fingerprint: .null,
            plan: source.tensors.map(\.description))
        var row = 0
        for (index, tensor) in source.tensors.enumerated() {
            let mapped = source.bytes(of: tensor)
            var bytes = [UInt8](mapped.bytes)
            if tensor.name == Self.gateName, let run = tensor.encoding.codedRows(tensor.shape).first {
                // Of the second tile a row whose scale has room.
                let scales = run.geometry.tileBytes + run.geometry.scaleOffset(group: 1)
                row = try #require((0..<16).first { bytes[scales + $0] < 200 })
                bytes[scales + row] += bytes[scales + row] / 4
            }
            try writer.append(bytes, to: index)
            withExtendedLifetime(mapped) {}
        }
        _ = try writer.finish(
            graph: source.graphJSON, metadata: source.metadata, tokenizer: source.tokenizer)
        let found = try WeightComparison(
            base: base, other: Bundle(directory.file("scale.tessera")), ThreadPool(threads: 2)
        ).findings
        expect(found, .groupScaled, Self.gateName, "group 1 of row \(16 + row)", "times 1.2")
    }
}
