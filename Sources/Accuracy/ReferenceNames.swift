/// What the names in a file of reference activations stand for, besides the stages that are compared.
enum ReferenceNames {
    /// What a model is fed, and the order of windows that a reference computes in.
    private static let inputs: Set<String> = [
        "input_ids", "pixel_values", "image_grid_thw", "pixel_values_videos", "video_grid_thw",
        "second_per_grid_ts", "image.window_index", "video.window_index",
    ]

    /// Of a reference implementation's own making: Tessera computes no value of the kind, or does in other places.
    private static func isAuxiliary(_ name: String) -> Bool {
        if name.hasPrefix("generate.") || name.hasPrefix("rope_delta") { return true }
        if ["greedy.logits", "mm_token_type_ids"].contains(name) { return true }
        let words = name.split(separator: ".").dropFirst()
        guard let last = words.last else { return false }
        if name.hasPrefix("llm.") {
            return ["rope_cos", "rope_sin"].contains(last)
                || words.count == 2 && (last == "in" || last.hasPrefix("router_"))
        }
        guard name.hasPrefix("image.") || name.hasPrefix("video."), words.count == 1 else { return false }
        return ["pos_embed", "block_input", "merger_raw", "rope_cos", "rope_sin"].contains(last)
            || last.hasPrefix("interp_") || last.hasPrefix("cu_")
    }

    /// Those of `names` that were to be compared and were not.
    /// - Parameters:
    ///   - compared: the names that were.
    ///   - decoderNeedsLegacy: whether the reference placed text elsewhere than the model was trained: what has no `_legacy`
    ///     form is not comparable then in the decoder.
    static func missed(_ names: [String], compared: Set<String>, decoderNeedsLegacy: Bool) -> [String] {
        names.filter { name in
            let isSuperseded =
                compared.contains(name + "_legacy")
                || name == "llm.position_ids" && compared.contains("position_ids_legacy")
                || decoderNeedsLegacy && (name.hasPrefix("llm.") || name.hasPrefix("logits"))
                    && !name.hasSuffix("_legacy")
            return !compared.contains(name) && !inputs.contains(name) && !isAuxiliary(name) && !isSuperseded
        }
    }
}
