/// The contracts of this folder that programs load: JSON files embedded in the code, so that the two cannot drift.
public enum Formats {
    /// Published tensor names to graph slots, by the generation's name.
    public static var nameTables: [(name: String, json: [UInt8])] {
        [
            ("qwen-vl", PackageResources.qwen_vl_json), ("qwen2-vl", PackageResources.qwen2_vl_json),
            ("qwen2.5-vl", PackageResources.qwen2_5_vl_json), ("qwen3-vl", PackageResources.qwen3_vl_json),
        ]
    }

    /// Chat templates in Jinja, for checkpoints that bring none.
    public static var chatTemplates: [(name: String, jinja: [UInt8])] {
        [
            ("qwen-vl", PackageResources.qwen_vl_jinja),
            ("qwen-vl-chat", PackageResources.qwen_vl_chat_jinja),
            ("qwen2-vl", PackageResources.qwen2_vl_jinja),
            ("qwen3-vl-instruct", PackageResources.qwen3_vl_instruct_jinja),
            ("qwen3-vl-thinking", PackageResources.qwen3_vl_thinking_jinja),
        ]
    }

    /// What the reference's configuration classes take for what config.json leaves out.
    public static var classDefaults: [UInt8] { PackageResources.class_defaults_json }

    /// What is known of settings of config.json that nothing asks for.
    public static var configSettings: [UInt8] { PackageResources.config_json }

    /// The same of generation_config.json.
    public static var generationSettings: [UInt8] { PackageResources.generation_config_json }

    /// The same of the processors' files.
    public static var processorSettings: [UInt8] { PackageResources.preprocessor_config_json }

    /// The same of tokenizer_config.json.
    public static var tokenizerSettings: [UInt8] { PackageResources.tokenizer_config_json }

    /// Models in GGUF in the words of published checkpoints.
    public static var gguf: [UInt8] { PackageResources.gguf_json }

    /// What is known of metadata of GGUF files that nothing asks for.
    public static var ggufSettings: [UInt8] { PackageResources.gguf_metadata_json }

    /// The recipes that every build knows, by name.
    public static var recipes: [(name: String, json: [UInt8])] {
        [
            ("int8", PackageResources.int8_json), ("int4", PackageResources.int4_json),
            ("int4-fast", PackageResources.int4_fast_json), ("int4-best", PackageResources.int4_best_json),
        ]
    }

    /// The manifests of published models, by name; see `manifest.md`.
    public static var checkpoints: [(name: String, json: [UInt8])] {
        [
            ("Qwen-VL", PackageResources.Qwen_VL_json),
            ("Qwen-VL-Chat", PackageResources.Qwen_VL_Chat_json),
            ("Qwen2-VL-2B", PackageResources.Qwen2_VL_2B_json),
            ("Qwen2-VL-7B", PackageResources.Qwen2_VL_7B_json),
            ("Qwen2-VL-72B", PackageResources.Qwen2_VL_72B_json),
            ("Qwen2.5-VL-3B", PackageResources.Qwen2_5_VL_3B_json),
            ("Qwen2.5-VL-7B", PackageResources.Qwen2_5_VL_7B_json),
            ("Qwen2.5-VL-32B", PackageResources.Qwen2_5_VL_32B_json),
            ("Qwen2.5-VL-72B", PackageResources.Qwen2_5_VL_72B_json),
            ("Qwen3-VL-2B", PackageResources.Qwen3_VL_2B_json),
            ("Qwen3-VL-4B", PackageResources.Qwen3_VL_4B_json),
            ("Qwen3-VL-8B", PackageResources.Qwen3_VL_8B_json),
            ("Qwen3-VL-32B", PackageResources.Qwen3_VL_32B_json),
            ("Qwen3-VL-30B-A3B", PackageResources.Qwen3_VL_30B_A3B_json),
            ("Qwen3-VL-235B-A22B", PackageResources.Qwen3_VL_235B_A22B_json),
        ]
    }
}
