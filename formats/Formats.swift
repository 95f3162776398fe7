/// The contracts of this folder that programs load: JSON files embedded in the code, so that the two cannot drift.
public enum Formats {
    /// Qwen-VL's name table.
    public static var qwenVL: [UInt8] { PackageResources.qwen_vl_json }

    /// Qwen2-VL's name table: published tensor names, in both layouts, to graph slots.
    public static var qwen2VL: [UInt8] { PackageResources.qwen2_vl_json }

    /// Qwen2.5-VL's name table.
    public static var qwen25VL: [UInt8] { PackageResources.qwen2_5_vl_json }

    /// Qwen3-VL's name table.
    public static var qwen3VL: [UInt8] { PackageResources.qwen3_vl_json }

    /// The chat templates known by the digest of their text.
    public static var chatTemplates: [UInt8] { PackageResources.chat_templates_json }

    /// The recipes that every build knows, by name.
    public static var recipes: [(name: String, json: [UInt8])] {
        [("int4", PackageResources.int4_json), ("int8", PackageResources.int8_json)]
    }
}
