import Storage

/// What the text part of a hybrid says of its blocks: which mix tokens by a delta rule, and which only draft them.
struct GGUFHybrid {
    /// What of config.json follows.
    let members: [JSON.Member]
    /// The blocks that draft tokens, behind all others.
    let drafts: Range<Int>

    /// More than any model has, and as long as a list of settings may be.
    private static let mostBlocks = 512

    /// - Parameter prefix: the architecture and a dot.
    /// - Throws: `badInput` naming the metadata that is missing or impossible.
    init(_ text: SettingsReader, prefix: String) throws(Failure) {
        let all = try Self.count(text, prefix + "block_count", 1...Self.mostBlocks)
        let draftKey = prefix + "nextn_predict_layers"
        let draftCount = text.stated(draftKey) == nil ? 0 : try Self.count(text, draftKey, 0...all - 1)
        drafts = all - draftCount..<all
        let heads = try Self.count(text, prefix + "ssm.time_step_rank", 1...Self.mostBlocks)
        let inner = try Self.count(text, prefix + "ssm.inner_size", 1...1 << 32)
        guard inner % heads == 0 else {
            throw text.invalid(prefix + "ssm.inner_size", .int(inner))
        }
        let width = try Self.count(text, prefix + "attention.key_length", 1...1 << 16)
        let rotated = try Self.count(text, prefix + "rope.dimension_count", 1...width)
        members = [
            .init("num_hidden_layers", .int(all - draftCount)),
            .init("linear_num_value_heads", .int(heads)),
            .init("linear_value_head_dim", .int(inner / heads)),
            .init("partial_rotary_factor", .double(Double(rotated) / Double(width))),
            try Self.layers(text, prefix, of: all, drafts),
        ]
    }

    private static func count(
        _ text: SettingsReader, _ key: String, _ possible: ClosedRange<Int>
    ) throws(Failure) -> Int {
        let value = try text.metadata(key)
        guard let count = value.int, possible.contains(count) else { throw text.invalid(key, value) }
        return count
    }

    /// Which blocks have a delta rule: a list says it, or else every so many'th has none.
    private static func layers(
        _ text: SettingsReader, _ prefix: String, of all: Int, _ drafts: Range<Int>
    ) throws(Failure) -> JSON.Member {
        let interval = text.stated(prefix + "full_attention_interval") ?? 4
        let key = prefix + "attention.recurrent_layers"
        guard let list = text.stated(key) else { return .init("full_attention_interval", interval) }
        let flags = (list.array ?? []).compactMap(\.bool)
        guard flags.count == all, !flags[drafts].contains(true) else { throw text.invalid(key, list) }
        let types = flags[..<drafts.lowerBound].map { $0 ? "linear_attention" : "full_attention" }
        return .init("layer_types", .array(types.map(JSON.string)))
    }
}
