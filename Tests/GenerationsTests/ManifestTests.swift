import Checkpoints
import Formats
import Generations
import Storage
import TestSupport
import Testing

/// Manifests that are not what they should be.
@Suite struct ManifestTests {
    private let small: JSON = .pairs([
        "name": "small", "source": "nobody", "config": .object([]), "dtype": "F16", "total_size": 48,
        "tensors": [
            .pairs(["name": "a.{i}.b", "shape": [2, 3], "count": 2]),
            .pairs(["name": "c", "shape": [3], "dtype": "F64"]),
        ],
    ])

    private func refuse(_ words: String, _ json: JSON, _ kind: Failure.Kind = .badInput) {
        do {
            _ = try CheckpointManifest(json: json)
            Issue.record("accepted, but expected '\(words)'")
        } catch {
            #expect(error.kind == kind)
            #expect("\(error)".contains(words), "\(error)")
        }
    }

    private func tensor(_ members: KeyValuePairs<String, JSON>) -> JSON {
        small.setting("tensors", to: [.pairs(members)])
    }

    @Test func patternsAreWrittenOut() throws {
        let manifest = try CheckpointManifest(json: small)
        #expect(manifest.weights.map(\.name) == ["a.0.b", "a.1.b", "c"])
        #expect(manifest.weights.map(\.type) == [.float16, .float16, .float64])
        #expect(manifest.weights.map(\.shape.extents) == [[2, 3], [2, 3], [3]])
        #expect(manifest.weights.map(\.sources) == [["a.0.b"], ["a.1.b"], ["c"]])
        #expect(manifest.byteCount == 48)
        #expect(manifest.summary == "")
    }

    @Test func whatIsMissingIsNamed() {
        for key in ["name", "source", "config", "total_size", "tensors"] {
            refuse("'\(key)'", small.setting(key, to: .null))
        }
        refuse("'name'", [])
        refuse("has no dtype", small.setting("dtype", to: .null))
        refuse("tensors[0]: has no name", tensor(["shape": [1]]))
        refuse("has no shape", tensor(["name": "x"]))
        refuse("has no count", tensor(["name": "x.{i}", "shape": [1]]))
    }

    @Test func whatCannotBeIsRefused() {
        refuse("states 47 bytes, but its tensors take 48", small.setting("total_size", to: 47))
        refuse("unsupported dtype X8", tensor(["name": "x", "shape": [1], "dtype": "X8"]))
        refuse("impossible shape [-1]", tensor(["name": "x", "shape": [-1]]))
        refuse("impossible shape", tensor(["name": "x", "shape": [4_611_686_018_427_387_904]]))
        refuse("has no count above 0", tensor(["name": "x.{i}", "shape": [1], "count": 0]))
        refuse("has no count above 0", tensor(["name": "x.{i}", "shape": [1], "count": 1.5]))
        refuse("but no {i}", tensor(["name": "x", "shape": [1], "count": 2]))
        refuse("{i} more than once", tensor(["name": "{i}.{i}", "shape": [1], "count": 2]))
        refuse(
            "tensors[1]: tensor 'x' is there twice",
            small.setting(
                "tensors",
                to: [.pairs(["name": "x", "shape": [1]]), .pairs(["name": "x", "shape": [1]])]))
        let large = JSON.int(1 << 61)
        refuse("too large to address", tensor(["name": "x.{i}", "shape": [large], "count": 9]))
        refuse(
            "more than 262144 tensors", tensor(["name": "x.{i}", "shape": [1], "count": 9_000_000_000]),
            .limit)
    }

    @Test func namesOrFiles() throws {
        do {
            _ = try CheckpointManifest(named: "Qwen9-VL")
            Issue.record("accepted")
        } catch {
            #expect(error.kind == .usage)
            #expect("\(error)".contains("Qwen3-VL-8B"))
        }
        let directory = try TemporaryDirectory()
        let path = directory.file("mine.json")
        try putFile(path, Array(small.serialized().utf8))
        #expect(try CheckpointManifest(named: path).weights.count == 3)
        try putFile(path, Array("{".utf8))
        do {
            _ = try CheckpointManifest(named: path)
            Issue.record("accepted")
        } catch {
            #expect(error.kind == .badInput)
            #expect("\(error)".contains("mine.json"))
        }
    }

    private func plan(_ json: JSON) throws(Failure) -> CheckpointPlan {
        try Converter.qwen2VL.plan(try CheckpointManifest(json: json))
    }

    private func expectRefusal(_ words: String..., of json: JSON) {
        do {
            _ = try plan(json)
            Issue.record("accepted, but expected \(words)")
        } catch {
            #expect(error.kind == .badInput)
            for word in words { #expect("\(error)".contains(word), "\(error)") }
        }
    }

    @Test func tensorsAndConfigurationMustFit() throws {
        let known = try Formats.manifest("Qwen2-VL-2B")
        let tensors = try #require(known["tensors"]?.array)
        let bytes = try #require(known["total_size"]?.int)
        let norm = try #require(tensors.first { $0["name"] == "model.norm.weight" })
        expectRefusal(
            "manifest Qwen2-VL-2B", "nothing fills 'text.norm.weight'",
            of: known.setting("tensors", to: .array(tensors.filter { $0 != norm })).setting(
                "total_size", to: .int(bytes - 2 * 1536)))
        expectRefusal(
            "'model.norm.scale' is not a tensor of this generation",
            of: known.setting("tensors", to: .array(tensors + [norm.setting("name", to: "model.norm.scale")]))
                .setting("total_size", to: .int(bytes + 2 * 1536)))
        expectRefusal(
            "is of model type 'qwen3_vl'", "use tessera-from-qwen3-vl",
            of: try Formats.manifest("Qwen3-VL-2B"))
        let config = try #require(known["config"])
        expectRefusal(
            "packed weights",
            of: known.setting("config", to: config.setting("quantization_config", to: .object([]))))
        expectRefusal(
            "lacks 'vision_config'",
            of: known.setting("config", to: config.setting("vision_config", to: .null)))
    }

    @Test func aStoredHeadIsWhatTheConfigurationSays() throws {
        let known = try Formats.manifest("Qwen2-VL-2B")
        let head: JSON = .pairs(["name": "lm_head.weight", "shape": [151936, 1536]])
        let tensors = try #require(known["tensors"]?.array)
        let bytes = try #require(known["total_size"]?.int)
        let stored = known.setting("tensors", to: .array(tensors + [head])).setting(
            "total_size", to: .int(bytes + 2 * 151936 * 1536))
        let tied = try plan(stored)
        #expect(tied.ledger.unused.map(\.name) == ["lm_head.weight"])
        #expect(tied.parameterCount == 2_208_985_600)
        let config = try #require(known["config"]?.setting("tie_word_embeddings", to: false))
        let untied = try plan(stored.setting("config", to: config))
        #expect(untied.ledger.unused.isEmpty)
        #expect(untied.parameterCount == 2_208_985_600 + 151936 * 1536)
    }
}
