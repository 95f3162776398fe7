import Generations
import GraphIR
import Prompts
import Storage
import TestSupport
import Testing

/// Checkpoints saved again by releases of transformers are the models that they were.
///
/// `Tests/Reference/make_resaves.py` made the configuration files, and asserts that the weights are those of the fixture.
@Suite struct ResaveTests {
    private static let releases: [(generation: String, release: String)] = [
        ("qwen2-vl", "4.45.2"), ("qwen2-vl", "4.48.3"), ("qwen2-vl", "4.49.0"), ("qwen2-vl", "4.51.3"),
        ("qwen2-vl", "4.57.6"), ("qwen2-vl", "5.24.0"), ("qwen2.5-vl", "4.49.0"), ("qwen2.5-vl", "4.51.3"),
        ("qwen2.5-vl", "4.57.6"), ("qwen2.5-vl", "5.24.0"), ("qwen3-vl", "4.57.6"), ("qwen3-vl", "5.24.0"),
        ("qwen3-vl-moe", "4.57.6"), ("qwen3-vl-moe", "5.24.0"),
    ]

    /// The same graph over the same weights and the same prompts: so equal logits. No setting is unknown, and none is
    /// refused.
    @Test(arguments: releases)
    func resavesAreTheModelsThatTheyWere(_ generation: String, _ release: String) throws {
        let copy = try EditedCheckpoint(
            "\(generation)/published", overlays: "resaves/\(generation)/\(release)")
        let transposed = copy.directory.file("transposed.json")
        if Path.exists(transposed) { try copy.transpose(JSON(file: transposed).strings ?? []) }
        let original = try imported(generation, Fixtures.path("\(generation)/published"))
        let model = try imported(generation, copy.path)
        #expect(model.plan.graph.json == original.plan.graph.json)
        #expect(model.plan.ledger.entries.map(\.sources) == original.plan.ledger.entries.map(\.sources))
        #expect(model.prompt.images == original.prompt.images)
        #expect(model.prompt.positions == original.prompt.positions)
        #expect(model.prompt.stopTokens == original.prompt.stopTokens)
        #expect(model.sampling["temperature"] == original.sampling["temperature"])
        #expect(model.settings.settings.filter { $0.fate == .passedOver }.isEmpty)
        let schema = try Schema(format: "prompt.schema.json")
        #expect(schema.faults(in: model.metadata(sources: [], recipe: .null)) == [])
        // What releases leave out and no weight proves is said; it is what the original states.
        #expect(model.settings.settings.allSatisfy { $0.remark == nil || $0.fate == .assumed })
    }
}

/// Reads a checkpoint as one of the generation that a fixture is of.
func imported(
    _ fixture: String, _ path: String, _ options: ImportOptions = ImportOptions()
) throws -> ImportedModel {
    try #require(Converter.all.last { fixture.hasPrefix($0.name) }).read(path, options)
}

extension EditedCheckpoint {
    /// Exchanges the last two axes of tensors of 16 bits in all of its files.
    fileprivate func transpose(_ names: [String]) throws(Failure) {
        for file in try Path.list(path) where file.hasSuffix(".safetensors") {
            let tensors = try readSafetensors(directory.file(file)).map { tensor in
                names.contains(tensor.name) ? tensor.transposed() : tensor
            }
            try writeSafetensors(tensors, to: directory.file(file))
        }
    }
}

extension TestTensor {
    /// With its last two axes of three exchanged; elements of 16 bits.
    fileprivate func transposed() -> TestTensor {
        let (rows, columns) = (shape[1], shape[2])
        var moved: [UInt8] = []
        for expert in 0..<shape[0] {
            for column in 0..<columns {
                for row in 0..<rows {
                    let start = 2 * ((expert * rows + row) * columns + column)
                    moved += bytes[start..<start + 2]
                }
            }
        }
        return TestTensor(name, type, [shape[0], columns, rows], moved)
    }
}
