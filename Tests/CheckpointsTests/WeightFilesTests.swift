import Glibc
import Storage
import TestSupport
import Testing

@testable import Checkpoints

/// Which files of a folder are its weights: transformers' choice, said where there are others, and nothing guessed.
@Suite struct WeightFilesTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// Writes a file that holds one tensor of that name.
    private func weights(_ file: String, _ tensor: String? = nil) throws {
        let name = tensor ?? file
        let entry = #"{"\#(name)":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#
        let bytes =
            file.hasSuffix(".safetensors")
            ? safetensors(entry, data: 1) : ZipBytes(pickle: PickleBytes.one()).bytes
        try putFile(directory.file(file), bytes)
    }

    private func put(_ file: String, _ text: String = "{}") throws {
        try putFile(directory.file(file), Array(text.utf8))
    }

    private func index(_ file: String, of shards: [String]) throws {
        let map = shards.map { JSON.Member($0, .string($0)) }
        try put(file, JSON.pairs(["weight_map": .object(map)]).serialized())
    }

    private func refuses(_ parts: String..., weights: String? = nil) {
        do {
            let checkpoint = try Checkpoint(directory.path, weights: weights)
            Issue.record("took \(checkpoint.files.map(\.name)), but expected '\(parts)'")
        } catch let failure {
            #expect(failure.kind == .badInput)
            for part in parts { #expect("\(failure)".contains(part), "\(failure)") }
        }
    }

    private func takes(_ file: String, naming others: [String], weights: String? = nil) throws {
        let checkpoint = try Checkpoint(directory.path, weights: weights)
        #expect(checkpoint.files.first?.name == file)
        #expect(checkpoint.warnings.isEmpty == others.isEmpty, "\(checkpoint.warnings)")
        for other in others { #expect(checkpoint.warnings.first?.contains("'\(other)'") == true) }
    }

    /// The order of transformers 5.24, and every other set named.
    @Test func severalSets() throws {
        try weights("pytorch_model.bin")
        try takes("pytorch_model.bin", naming: [])
        try weights("a-00001-of-00001.safetensors")
        try index("model.safetensors.index.json", of: ["a-00001-of-00001.safetensors"])
        try takes("model.safetensors.index.json", naming: ["pytorch_model.bin"])
        try weights("model.safetensors")
        try takes("model.safetensors", naming: ["model.safetensors.index.json", "pytorch_model.bin"])
        try weights("model.fp16.safetensors")
        try takes("model.safetensors", naming: ["pytorch_model.bin", "model.fp16.safetensors"])
        for chosen in ["model.fp16.safetensors", "pytorch_model.bin", "model.safetensors.index.json"] {
            try takes(chosen, naming: [], weights: chosen)
        }
        try takes("model.safetensors.index.json", naming: [], weights: "a-00001-of-00001.safetensors")
        try takes("pytorch_model.bin", naming: [], weights: directory.file("pytorch_model.bin"))
        refuses("has no weights in 'x.bin'", "'model.safetensors'", weights: "x.bin")
    }

    /// Names that transformers does not look for: one set is taken and said, of several none.
    @Test(arguments: [
        "model.fp16.safetensors", "consolidated.safetensors", "consolidated.00.pth", "merged.bin",
    ])
    func otherNames(name: String) throws {
        try weights(name)
        let checkpoint = try Checkpoint(directory.path)
        #expect(checkpoint.files.map(\.name) == [name])
        #expect(
            checkpoint.warnings == [
                "the weights are taken from \(name), a name that transformers does not look for"
            ])
        try weights("other.safetensors")
        refuses("several sets of weights", "'\(name)'", "'other.safetensors'", "--weights FILE")
        try takes(name, naming: [], weights: name)
    }

    @Test func shardsWithoutAnIndex() throws {
        for number in 1...3 { try weights("model-0000\(number)-of-00003.safetensors", "t\(number)") }
        let checkpoint = try Checkpoint(directory.path)
        #expect(checkpoint.names == ["t1", "t2", "t3"])
        #expect(checkpoint.warnings.count == 1 && checkpoint.warnings[0].contains("no index lists"))
        removeFile(directory.file("model-00002-of-00003.safetensors"))
        refuses("shard 'model-00002-of-00003.safetensors' is missing, one of 3", "unfinished")
        try put("model-00002-of-00003.safetensors.incomplete", "")
        refuses("model-00002-of-00003.safetensors.incomplete")
        removeFile(directory.file("model-00001-of-00003.safetensors"))
        refuses("2 of 3 shards are missing")
    }

    /// Incomplete shards beside a whole file: which of them is meant cannot be told.
    @Test func incompleteBesideComplete() throws {
        try index("model.safetensors.index.json", of: ["one.safetensors", "two.safetensors"])
        try weights("one.safetensors")
        try weights("model.safetensors")
        refuses("shard 'two.safetensors' is missing", "--weights model.safetensors")
        try takes("model.safetensors", naming: [], weights: "model.safetensors")
        removeFile(directory.file("model.safetensors"))
        try weights("pytorch_model.bin")
        refuses("shard 'two.safetensors' is missing", "--weights pytorch_model.bin")
        // Shards of PyTorch that are not all there do not matter where there is safetensors.
        try weights("two.safetensors")
        try index("pytorch_model.bin.index.json", of: ["x.bin"])
        try takes("model.safetensors.index.json", naming: ["pytorch_model.bin"])
    }

    /// An index may list the one file that is there.
    @Test func anIndexOfOneFile() throws {
        try weights("model.safetensors")
        try index("model.safetensors.index.json", of: ["model.safetensors"])
        try takes("model.safetensors.index.json", naming: [])
    }

    @Test func adapters() throws {
        try weights("adapter_model.safetensors")
        try put("adapter_config.json", #"{"base_model_name_or_path":"Qwen/Qwen2-VL-2B-Instruct"}"#)
        refuses("is an adapter for 'Qwen/Qwen2-VL-2B-Instruct'", "--adapter")
        try weights("model.safetensors")
        refuses(
            "'adapter_config.json', 'adapter_model.safetensors'", "left out", "--weights model.safetensors")
        try takes("model.safetensors", naming: [], weights: "model.safetensors")
        for name in ["adapter_model.safetensors", "adapter_config.json"] { removeFile(directory.file(name)) }
        try weights("non_lora_state_dict.bin")
        refuses("'non_lora_state_dict.bin'")
    }

    /// What training leaves behind is no set of weights.
    @Test func leftovers() throws {
        for name in ["optimizer.pt", "scheduler.pt", "training_args.bin", "rng_state_0.pth", "optimizer.bin"]
        {
            try put(name)
        }
        try makeDirectory(directory.file("global_step100"))
        refuses("'global_step100'", "no weights", "zero_to_fp32.py")
        for name in ["__0_0.distcp", "mp_rank_00_model_states.pt"] { try put(name) }
        try makeDirectory(directory.file("pytorch_model_fsdp_0"))
        try weights("model.safetensors")
        try takes("model.safetensors", naming: [])
        #expect(try WeightFiles(directory.path).leftovers.count == 9)
    }

    @Test func otherPrograms() throws {
        try put("flax_model.msgpack")
        refuses("for other programs alone: 'flax_model.msgpack'")
        try put("model-q4.gguf")
        refuses("GGUF (model-q4.gguf)")
        refuses("GGUF", weights: "model-q4.gguf")
        try weights("model.safetensors")
        try takes("model.safetensors", naming: ["model-q4.gguf"])
    }

    /// What stands for a file that is not there is named for what it is, whatever it should have been.
    @Test func downloadsThatDidNotFinish() throws {
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4429613056\n"
        try put("model.safetensors", pointer)
        refuses("model.safetensors: is a Git LFS pointer", "4429613056 bytes", "git lfs pull")
        try weights("model.safetensors")
        for name in ["config.json", "tokenizer.json", "preprocessor_config.json"] {
            try put(name, pointer)
            refuses("\(name): is a Git LFS pointer")
            removeFile(directory.file(name))
        }
        try put("model.safetensors.aria2", "x")
        refuses("model.safetensors.aria2 lies beside it")
        removeFile(directory.file("model.safetensors.aria2"))
        try put("model.safetensors", "")
        refuses("model.safetensors: is empty")
        removeFile(directory.file("model.safetensors"))
        try put("model.safetensors.incomplete", "")
        refuses("holds no weights yet: 'model.safetensors.incomplete'")
        try weights("model.safetensors")
        #expect(try Checkpoint(directory.path).warnings.first?.contains("did not finish") == true)
        for name in ["model.safetensors.incomplete", "model.safetensors"] { removeFile(directory.file(name)) }
        for name in [".cache", ".cache/huggingface", ".cache/huggingface/download"] {
            try makeDirectory(directory.file(name))
        }
        try put(".cache/huggingface/download/hash.incomplete", "")
        refuses("holds no weights yet: '.cache/huggingface/download/hash.incomplete'")
        // A link of a cache whose file is gone.
        #expect(symlink("../../blobs/x", directory.file("model.safetensors")) == 0)
        refuses("holds no weights yet")
    }
}

private func removeFile(_ path: String) { unlink(path) }
