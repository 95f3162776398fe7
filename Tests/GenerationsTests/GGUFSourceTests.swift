import Checkpoints
import Glibc
import GraphIR
import Storage
import TestSupport
import Testing

@testable import Generations

/// How two GGUF files are found, understood and refused.
@Suite struct GGUFSourceTests {
    private let directory: TemporaryDirectory
    private static let names = [
        "qwen2-vl", "qwen2.5-vl", "qwen3-vl", "qwen3-vl-moe", "qwen3.5", "qwen3.5-moe",
    ]
    private static let demo = Result { try GGUFTwin(of: "demo-qwen2-vl") }
    private static let twins: [String: Result<GGUFTwin, any Error>] = Dictionary(
        uniqueKeysWithValues: names.map { name in
            (name, Result { try GGUFTwin(of: "\(name)/published") })
        })

    init() throws { directory = try TemporaryDirectory() }

    private func remove(_ name: String) throws { #expect(unlink(directory.file(name)) == 0) }

    private func twin(_ name: String) throws -> GGUFTwin {
        try name == "demo" ? Self.demo.get() : #require(Self.twins[name]).get()
    }

    private func read(_ name: String, _ path: String, _ options: ImportOptions = .init()) throws
        -> ImportedModel
    {
        try imported(name == "demo" ? "qwen2-vl" : name, path, options)
    }

    private func refuses(
        _ words: String, file: String? = nil, sourceLocation: SourceLocation = #_sourceLocation,
        _ body: () throws -> ImportedModel
    ) {
        do {
            _ = try body()
            Issue.record("was accepted", sourceLocation: sourceLocation)
        } catch let failure as Failure {
            #expect(failure.kind == .badInput, "\(failure)", sourceLocation: sourceLocation)
            #expect("\(failure)".contains(words), "\(failure)", sourceLocation: sourceLocation)
            if let file { #expect(failure.file == directory.file(file), sourceLocation: sourceLocation) }
        } catch { Issue.record(error, sourceLocation: sourceLocation) }
    }

    /// Refuses a model whose files were changed.
    private func refuses(
        _ words: String, _ name: String = "demo", file: String? = nil,
        sourceLocation: SourceLocation = #_sourceLocation, changed change: (inout GGUFTwin) throws -> Void
    ) throws {
        var twin = try twin(name)
        try change(&twin)
        let path = try twin.write(to: directory.path)
        refuses(words, file: file, sourceLocation: sourceLocation) { try read(name, path) }
    }

    @Test(arguments: ["demo"] + names)
    func everyTensorIsUsedOnce(name: String) throws {
        let twin = try twin(name)
        let model = try read(name, twin.write(to: directory.path))
        let all = (twin.text.tensors + twin.vision.tensors).map(\.name)
        #expect(model.plan.ledger.sourceCount == all.count)
        let drafting = all.filter { $0.hasPrefix("blk.4.nextn.") }
        #expect(model.plan.ledger.unused.map(\.name) == drafting)
        #expect(Set(model.plan.ledger.entries.flatMap(\.sources)) == Set(all).subtracting(drafting))
        #expect(!model.settings.settings.contains { $0.fate == .passedOver }, "\(model.settings.settings)")
        let schema = try Schema(format: "prompt.schema.json")
        #expect(schema.faults(in: model.metadata(sources: [], recipe: .null)) == [])
        // Where the file says it, nothing is assumed that could be otherwise.
        #expect(!model.warnings.contains { $0.contains("is left out") }, "\(model.warnings)")
        let window = model.warnings.filter { $0.contains("'window_size': 112 was taken, as published") }
        #expect(window.count == (name == "qwen2.5-vl" ? 1 : 0))
    }

    @Test func theWaysToGiveIt() throws {
        let twin = try twin("demo")
        let path = try twin.write(to: directory.path)
        #expect(try read("demo", path).checkpoint.files.map(\.name) == ["text.gguf", "mmproj.gguf"])
        #expect(
            try read("demo", directory.path).checkpoint.files.map(\.name) == ["text.gguf", "mmproj.gguf"])
        // An imatrix beside them is neither part; a config.json says nothing more.
        try putFile(directory.file("imatrix.gguf"), GGUFBytes(imatrix: [("a", [1], [1])]).bytes)
        try putFile(directory.file("config.json"), Array("{}".utf8))
        #expect(try read("demo", directory.path).checkpoint.files.count == 2)
        try putFile(directory.file("mmproj-F32.gguf"), twin.vision.bytes)
        refuses("several mmproj files: 'mmproj-F32.gguf', 'mmproj.gguf'") { try read("demo", path) }
        let chosen = ImportOptions(mmproj: directory.file("mmproj-F32.gguf"))
        #expect(try read("demo", path, chosen).checkpoint.files.last?.name == "mmproj-F32.gguf")
        try putFile(directory.file("text-Q8.gguf"), twin.text.bytes)
        refuses("text parts of several models: 'text-Q8.gguf', 'text.gguf'") {
            try read("demo", directory.path, chosen)
        }
        var named = chosen
        named.weights = "text-Q8.gguf"
        #expect(try read("demo", directory.path, named).checkpoint.files.first?.name == "text-Q8.gguf")
        // Beside weights that transformers would load, GGUF files are not taken unless they are named.
        try putFile(directory.file("model.safetensors"), [0])
        refuses("config.json") { try read("demo", directory.path) }
        #expect(try read("demo", directory.path, named).checkpoint.container == .gguf)
    }

    @Test func partsThatAreNotThere() throws {
        let twin = try twin("demo")
        let path = try twin.write(to: directory.path)
        refuses("is the mmproj (vision part) of a model, not the text part", file: "mmproj.gguf") {
            try read("demo", directory.file("mmproj.gguf"))
        }
        refuses("is the text part of a model, no mmproj", file: "text.gguf") {
            try read("demo", path, ImportOptions(mmproj: path))
        }
        try remove("mmproj.gguf")
        refuses("holds no mmproj") { try read("demo", path) }
        refuses("holds no mmproj") { try read("demo", directory.path) }
        try remove("text.gguf")
        try putFile(directory.file("mmproj.gguf"), twin.vision.bytes)
        refuses("holds no text part of a model, but 'mmproj.gguf'") { try read("demo", directory.path) }
    }

    @Test func shards() throws {
        let twin = try twin("demo")
        _ = try twin.write(to: directory.path)
        try remove("text.gguf")
        var parts = [twin.text, GGUFBytes([], [])]
        let half = twin.text.tensors.count / 2
        parts[0].tensors = Array(twin.text.tensors[..<half])
        parts[1].tensors = Array(twin.text.tensors[half...])
        func name(_ number: Int) -> String { "m-0000\(number)-of-00002.gguf" }
        func write(_ change: (inout [GGUFBytes]) -> Void = { _ in }) throws {
            var changed = parts
            for number in 0..<2 {
                changed[number].values += [
                    .init("split.no", 2, little(UInt16(number))), .init("split.count", 2, little(UInt16(2))),
                    .init("split.tensors.count", 5, little(Int32(twin.text.tensors.count))),
                ]
            }
            change(&changed)
            for number in 0..<2 { try putFile(directory.file(name(number + 1)), changed[number].bytes) }
        }
        try write()
        let whole = try read("demo", directory.path)
        #expect(whole.checkpoint.files.map(\.name) == [name(1), name(2), "mmproj.gguf"])
        #expect(whole.plan.ledger.sourceCount == (twin.text.tensors + twin.vision.tensors).count)
        // Any of the shards names them all.
        #expect(
            try read("demo", directory.file(name(2))).checkpoint.files.map(\.name)
                == whole.checkpoint.files.map(\.name))
        try write { $0[1][value: "split.no"] = .init("split.no", 2, little(UInt16(0))) }
        refuses("says that it is part 0 of 2, counted from 0, but is 1 of 2", file: name(2)) {
            try read("demo", directory.path)
        }
        try write { $0[0][value: "split.tensors.count"] = .init("split.tensors.count", 5, little(Int32(7))) }
        refuses("says that all parts hold 7 tensors", file: name(1)) { try read("demo", directory.path) }
        try write { $0[1].tensors[0].name = $0[0].tensors[0].name }
        refuses("is in \(name(1)), too") { try read("demo", directory.path) }
        try write()
        try remove(name(2))
        refuses("shard '\(name(2))' is missing") { try read("demo", directory.path) }
        try putFile(directory.file("alone.gguf"), readFile(directory.file(name(1))))
        try remove(name(1))
        refuses("says that it is part 0 of 2", file: "alone.gguf") {
            try read("demo", directory.file("alone.gguf"))
        }
    }

    @Test func anotherModelsVisionPart() throws {
        try refuses(
            "gives rows of 129 columns ('clip.vision.projection_dim'), and text.gguf takes 128",
            file: "mmproj.gguf"
        ) {
            $0.vision[value: "clip.vision.projection_dim"] = .init("clip.vision.projection_dim", UInt32(129))
        }
        let qwen3 = try twin("qwen3-vl").vision
        try refuses(
            "its projector is 'qwen3vl_merger', and text.gguf ('qwen2vl') needs 'qwen2vl_merger'",
            file: "mmproj.gguf"
        ) {
            $0.vision = qwen3
        }
        try refuses("its projector is not named") { $0.vision[value: "clip.projector_type"] = nil }
        try refuses("gives features of 2 blocks", "qwen3-vl", file: "mmproj.gguf") {
            $0.text[value: "qwen3vl.n_deepstack_layers"] = .init("qwen3vl.n_deepstack_layers", UInt32(3))
        }
        try refuses("has 'clip.use_silu' true") { $0.vision.values.append(.init("clip.use_silu", true)) }
        // The generation's own command says which one wants it.
        let path = try twin("qwen2.5-vl").write(to: directory.path)
        refuses("use tessera-from-qwen2.5-vl") { try read("qwen2-vl", path) }
    }

    @Test(arguments: [
        ("llama", "Llama"), ("qwen2", "a text-only Qwen2"), ("gemma3", "Gemma"),
        ("nobody", "not 'qwen2vl', 'qwen3vl'"),
    ])
    func otherArchitectures(architecture: String, words: String) throws {
        try refuses("is of architecture '\(architecture)'", file: "text.gguf") {
            $0.text[value: "general.architecture"] = .init("general.architecture", architecture)
        }
        try refuses(words) {
            $0.text[value: "general.architecture"] = .init("general.architecture", architecture)
        }
    }

    @Test func metadata() throws {
        for key in [
            "qwen2vl.block_count", "qwen2vl.rope.freq_base", "qwen2vl.rope.dimension_sections",
            "tokenizer.ggml.pre",
        ] {
            try refuses("lacks the metadata '\(key)'", file: "text.gguf") { $0.text[value: key] = nil }
        }
        try refuses("lacks the metadata 'clip.vision.n_wa_pattern'", "qwen2.5-vl", file: "mmproj.gguf") {
            $0.vision[value: "clip.vision.n_wa_pattern"] = nil
        }
        for pattern in [0, 5000] as [UInt32] {
            try refuses("has the impossible 'clip.vision.n_wa_pattern'", "qwen2.5-vl") {
                $0.vision[value: "clip.vision.n_wa_pattern"] = .init("clip.vision.n_wa_pattern", pattern)
            }
        }
        try refuses("'qwen2vl.rope.scaling.type' is \"yarn\", which would make a difference") {
            $0.text.values.append(.init("qwen2vl.rope.scaling.type", "yarn"))
        }
        try refuses("has 'tokenizer.ggml.pre' \"llama-bpe\"") {
            $0.text[value: "tokenizer.ggml.pre"] = .init("tokenizer.ggml.pre", "llama-bpe")
        }
        try refuses("'tokenizer.ggml.add_bos_token' is true") {
            $0.text[value: "tokenizer.ggml.add_bos_token"] = .init("tokenizer.ggml.add_bos_token", true)
        }
        for sections in [[4, 6], [4, 6, 6, 1], []] as [[Int32]] {
            try refuses("impossible 'qwen2vl.rope.dimension_sections'") {
                $0.text[value: "qwen2vl.rope.dimension_sections"] = .init(
                    "qwen2vl.rope.dimension_sections", sections)
            }
        }
        try refuses("'mrope_section' is [4, 6, 7]") {
            $0.text[value: "qwen2vl.rope.dimension_sections"] = .init(
                "qwen2vl.rope.dimension_sections", [4, 6, 7] as [Int32])
        }
        try refuses("has 'qwen2vl.rope.dimension_count' 16 where heads have 32 columns") {
            $0.text.values.append(.init("qwen2vl.rope.dimension_count", UInt32(16)))
        }
        try refuses("impossible 'text_config.num_hidden_layers'") {
            $0.text[value: "qwen2vl.block_count"] = .init("qwen2vl.block_count", real: .nan)
        }
    }

    @Test func tensors() throws {
        try refuses("'v.blk.0.attn_k.weight' is not", file: "mmproj.gguf") {
            $0.vision.tensors.removeAll { $0.name == "v.blk.0.attn_k.weight" }
        }
        try refuses("'v.patch_embd.weight.1' is not") {
            $0.vision.tensors.removeAll { $0.name == "v.patch_embd.weight.1" }
        }
        try refuses("nothing fills 'text.norm.weight'") {
            $0.text.tensors.removeAll { $0.name == "output_norm.weight" }
        }
        try refuses("'blk.0.attn_qkv.weight' is not a tensor of this generation") {
            $0.text.tensors.append(.init("blk.0.attn_qkv.weight", [2, 2], [1, 2, 3, 4]))
        }
        try refuses("holds no table of tokens") {
            $0.text.tensors.removeAll { $0.name == "token_embd.weight" }
        }
        try refuses("nothing fills 'vision.block.0.attention.output.weight'") {
            $0.vision.tensors.removeAll { $0.name == "v.blk.0.attn_out.weight" }
        }
        // A block whose features nobody takes.
        try refuses("'v.deepstack.1.norm.weight' is not a tensor", "qwen3-vl") {
            $0.vision.tensors.append(.init("v.deepstack.1.norm.weight", [2], [1, 2]))
        }
        try refuses("scales rotary positions") {
            $0.text.tensors.append(.init("rope_freqs.weight", [2], [1, 8]))
        }
        var twin = try twin("demo")
        twin.text.tensors.append(.init("rope_freqs.weight", [2], [1, 1]))
        let model = try read("demo", twin.write(to: directory.path))
        #expect(model.plan.ledger.unused.map(\.name) == ["rope_freqs.weight"])
    }

    /// llama.cpp's first converter for Qwen2-VL named the linears of the tower's network the wrong way round.
    @Test func swappedNetworks() throws {
        var swapped = try twin("demo")
        for place in swapped.vision.tensors.indices {
            let name = swapped.vision.tensors[place].name
            swapped.vision.tensors[place].name =
                name.contains("ffn_up")
                ? name.replacing("ffn_up", with: "ffn_down") : name.replacing("ffn_down", with: "ffn_up")
        }
        let model = try read("demo", swapped.write(to: directory.path))
        let up = try #require(
            model.plan.ledger.entries.first { $0.slot.name == "vision.block.0.mlp.up.weight" })
        #expect(up.sources == ["v.blk.0.ffn_down.weight"])
    }

    /// The norms of the towers are computed with 1e-6; a file that states another number is told of.
    @Test func theTowersEpsilon() throws {
        var twin = try twin("qwen3-vl")
        twin.vision[value: "clip.vision.attention.layer_norm_epsilon"] = .init(
            "clip.vision.attention.layer_norm_epsilon", real: 1e-5)
        let model = try read("qwen3-vl", twin.write(to: directory.path))
        #expect(
            model.warnings.contains { $0.contains("'clip.vision.attention.layer_norm_epsilon' is 1e-05") })
        #expect(!model.plan.graph.json.serialized().contains("1e-05"))
    }

    /// A file cut anywhere is refused, or what is cut is nothing; never more.
    @Test func cutShort() throws {
        let twin = try twin("qwen2.5-vl")
        let path = try twin.write(to: directory.path)
        let whole = twin.text.bytes
        for length in stride(from: 0, to: whole.count, by: max(1, whole.count / 41)) {
            try putFile(path, Array(whole[..<length]))
            let failure = #expect(throws: Failure.self) { try read("qwen2.5-vl", path) }
            #expect(failure?.kind == .badInput, "\(length): \(failure as Any)")
        }
    }
}
