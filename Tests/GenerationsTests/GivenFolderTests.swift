import Generations
import Glibc
import Storage
import TestSupport
import Testing

/// A user who gives something else than the folder of a Qwen-VL model is told what it is.
@Suite struct GivenFolderTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func put(_ name: String, _ text: String) throws {
        try putFile(directory.file(name), Array(text.utf8))
    }

    private func refusal(_ name: String? = nil) -> String {
        let survey = CheckpointSurvey(name.map(directory.file) ?? directory.path)
        guard let failure = survey.refusal else { return "accepted" }
        #expect(failure.kind == .badInput)
        return "\(failure)"
    }

    @Test(arguments: [
        ("qwen2", "text-only Qwen2"), ("qwen3", "text-only Qwen3"),
        ("qwen3_moe", "text-only Qwen3 of experts"),
        ("qwen2_5_omni", "Qwen2.5-Omni"), ("qwen3_omni_moe", "Qwen3-Omni"),
        ("qwen4_exp", "Qwen3.8-Flash-Next"),
        ("qwen2_audio", "Qwen2-Audio"), ("qwen2_5_vl_text", "the decoder of Qwen2.5-VL alone"),
        ("colqwen2", "a model for searching"), ("llava_onevision", "LLaVA"), ("internvl_chat", "InternVL"),
        ("mllama", "Llama"), ("gemma3", "Gemma"), ("idefics3", "Idefics"), ("nobody", "model type 'nobody'"),
    ])
    func otherModels(type: String, words: String) throws {
        try put("config.json", #"{"model_type":"\#(type)"}"#)
        #expect(refusal().contains(words), "\(refusal())")
        #expect(refusal().contains("Qwen2.5-VL"), "\(refusal())")
    }

    @Test(arguments: [
        #""architectures":["ColQwen2_5"]"#, #""architectures":["Qwen2VLForSequenceClassification"]"#,
        #""auto_map":{"AutoModel":"modeling_gme_qwen2vl.GmeQwen2VL"}"#,
        #""architectures":["Qwen3VLForEmbedding"]"#,
        #""auto_map":{"AutoModel":["x.JinaEmbeddings",null]}, "architectures":["Reranker"]"#,
    ])
    func searching(member: String) throws {
        try put("config.json", #"{"model_type":"qwen2_vl",\#(member)}"#)
        #expect(refusal().contains("a model for searching"), "\(refusal())")
    }

    @Test func sentenceTransformers() throws {
        try put("config.json", #"{"model_type":"qwen3_vl"}"#)
        try put("config_sentence_transformers.json", "{}")
        #expect(refusal().contains("sentence-transformers"))
    }

    @Test func files() throws {
        #expect(refusal("absent").contains("is not there"))
        try put("model.gguf", "GGUF\u{3}\0\0\0")
        #expect(refusal("model.gguf").contains("is cut short"))
        try put("model.safetensors", "xxxxxxxx")
        #expect(refusal("model.safetensors").contains("give the folder that holds config.json"))
        try putFile(directory.file("renamed"), [0x89, 0x54, 0x53, 0x52, 0x0D])
        #expect(refusal("renamed").contains("is a bundle already"))
        #expect(refusal().contains("a GGUF file (model.gguf)"))
    }

    @Test func folders() throws {
        #expect(refusal().contains("is an empty folder"))
        try put("README.md", "x")
        #expect(refusal().contains("holds no config.json"))
        try makeDirectory(directory.file("checkpoint-500"))
        try put("checkpoint-500/config.json", "{}")
        #expect(refusal().contains("give \(directory.file("checkpoint-500"))"))
        try put("adapter_config.json", #"{"base_model_name_or_path":"Qwen/Qwen2-VL-7B"}"#)
        #expect(refusal().contains("is an adapter for 'Qwen/Qwen2-VL-7B'"))
        try put("model_index.json", #"{"_class_name":"QwenImagePipeline"}"#)
        #expect(refusal().contains("is a diffusion model (QwenImagePipeline)"))
        #expect(symlink("../../blobs/gone", directory.file("config.json")) == 0)
        #expect(refusal().contains("is a link to a file that is not there"))
    }

    /// The snapshot that `main` stands for is named first.
    @Test func caches() throws {
        for name in ["snapshots", "snapshots/aa", "snapshots/bb", "refs"] {
            try makeDirectory(directory.file(name))
        }
        #expect(refusal().contains("its download is unfinished"))
        try put("snapshots/aa/config.json", "{}")
        try put("snapshots/bb/config.json", "{}")
        try put("refs/main", "bb")
        #expect(refusal().contains("give \(directory.file("snapshots/bb"))"))
        let cache = try TemporaryDirectory()
        let model = cache.file("models--Qwen--Qwen2-VL-2B")
        for name in ["", "/snapshots", "/snapshots/cc"] { try makeDirectory(model + name) }
        try putFile(model + "/snapshots/cc/config.json", [])
        let whole = try #require(CheckpointSurvey(cache.path).refusal)
        #expect("\(whole)".contains("such as \(model)/snapshots/cc"), "\(whole)")
    }

    @Test func pointers() throws {
        try put("config.json", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1168\n")
        #expect(refusal().contains("is a Git LFS pointer, which stands for a file of 1168 bytes"))
    }
}
