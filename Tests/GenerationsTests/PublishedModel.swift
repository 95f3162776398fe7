import Checkpoints
import Formats
import Generations
import Storage
import Testing

/// A published model, and what is known of it from elsewhere than its manifest.
struct PublishedModel: CustomTestStringConvertible, Sendable {
    let name: String
    let tensors: Int
    let parameters: Int
    /// Tensors that fill more than one slot.
    var split = 0

    var testDescription: String { name }
    /// All are published in bfloat16.
    var byteCount: Int { 2 * parameters }

    static let all = [
        PublishedModel(name: "Qwen-VL", tensors: 853, parameters: 9_656_935_168, split: 2),
        PublishedModel(name: "Qwen-VL-Chat", tensors: 853, parameters: 9_656_935_168, split: 2),
        PublishedModel(name: "Qwen2-VL-2B", tensors: 729, parameters: 2_208_985_600),
        PublishedModel(name: "Qwen2-VL-7B", tensors: 730, parameters: 8_291_375_616),
        PublishedModel(name: "Qwen2-VL-72B", tensors: 1354, parameters: 73_405_560_320),
        PublishedModel(name: "Qwen2.5-VL-3B", tensors: 824, parameters: 3_754_622_976),
        PublishedModel(name: "Qwen2.5-VL-7B", tensors: 729, parameters: 8_292_166_656),
        PublishedModel(name: "Qwen2.5-VL-32B", tensors: 1161, parameters: 33_452_718_336),
        PublishedModel(name: "Qwen2.5-VL-72B", tensors: 1353, parameters: 73_410_777_344),
        PublishedModel(name: "Qwen3-VL-2B", tensors: 625, parameters: 2_127_532_032),
        PublishedModel(name: "Qwen3-VL-4B", tensors: 713, parameters: 4_437_815_808),
        PublishedModel(name: "Qwen3-VL-8B", tensors: 750, parameters: 8_767_123_696),
        PublishedModel(name: "Qwen3-VL-32B", tensors: 1058, parameters: 33_357_390_064),
        PublishedModel(name: "Qwen3-VL-30B-A3B", tensors: 882, parameters: 31_070_754_032, split: 48),
        PublishedModel(name: "Qwen3-VL-235B-A22B", tensors: 1388, parameters: 235_670_022_896, split: 94),
    ]

    var manifest: CheckpointManifest {
        get throws(Failure) { try CheckpointManifest(named: name) }
    }

    var plan: CheckpointPlan {
        get throws { try PublishedModel.plan(manifest) }
    }

    /// The plan that the generation's converter makes.
    static func plan(_ manifest: CheckpointManifest) throws -> CheckpointPlan {
        try #require(Converter.all.first { manifest.name.hasPrefix($0.family) }).plan(manifest)
    }
}

extension Formats {
    /// The JSON of a published model's manifest.
    static func manifest(_ name: String) throws(Failure) -> JSON {
        guard let known = checkpoints.first(where: { $0.name == name }) else {
            throw .badInput("there is no manifest '\(name)'")
        }
        return try JSON(parsing: known.json)
    }
}
