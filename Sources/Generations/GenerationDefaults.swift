import Storage

/// How a checkpoint wants its tokens chosen: `generation_config.json`, or without it the same settings in `config.json`.
struct GenerationDefaults {
    /// `do_sample`, `temperature`, `top_k`, `top_p`, `min_p`, `repetition_penalty`, as far as they are stated.
    let sampling: JSON
    /// Tokens that end an answer, as far as they are stated.
    let stopTokens: [Int32]

    /// Reads what a source says.
    /// - Parameters:
    ///   - own: its generation_config.json, if there is one; without it config.json has them.
    /// - Throws: `badInput` for values that no choice can be made by.
    init(_ own: SettingsReader?, _ config: SettingsReader) throws(Failure) {
        sampling = try GenerationDefaults.sampling(own ?? config)
        stopTokens = try GenerationDefaults.stops(own, config, config.object("text_config"))
    }

    private static func sampling(_ settings: SettingsReader) throws(Failure) -> JSON {
        var sampling: [JSON.Member] = []
        if let samples = try settings.bool("do_sample") {
            sampling.append(.init("do_sample", .bool(samples)))
        }
        if let count = settings.stated("top_k") {
            guard let int = count.int, (0...1 << 24).contains(int) else {
                throw settings.invalid("top_k", count)
            }
            sampling.append(.init("top_k", count))
        }
        let ranges = [
            ("temperature", 0...100.0), ("top_p", 0...1.0), ("min_p", 0...1.0),
            ("repetition_penalty", 0.01...100.0),
        ]
        for (key, range) in ranges {
            guard let number = settings.stated(key) else { continue }
            guard let double = number.double, range.contains(double) else {
                throw settings.invalid(key, number)
            }
            sampling.append(.init(key, number))
        }
        return .object(sampling)
    }

    /// The end tokens of the first of `files` that states any.
    private static func stops(_ files: SettingsReader?...) throws(Failure) -> [Int32] {
        for settings in files.compactMap(\.self) {
            guard let value = settings.stated("eos_token_id") else { continue }
            let ids = (value.array ?? [value]).compactMap { $0.int.flatMap(Int32.init(exactly:)) }
            guard ids.count == value.array?.count ?? 1, ids.allSatisfy({ $0 >= 0 }) else {
                throw settings.invalid("eos_token_id", value)
            }
            return ids
        }
        return []
    }
}
