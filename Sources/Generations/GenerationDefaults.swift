import Storage

/// How a checkpoint wants its tokens chosen: `generation_config.json`, and the end tokens of `config.json` without it.
struct GenerationDefaults {
    /// `do_sample`, `temperature`, `top_k`, `top_p`, `repetition_penalty`, as far as the file has them.
    let sampling: JSON
    let stopTokens: [Int32]

    init(_ directory: String, _ config: ConfigReader) throws(Failure) {
        let file = Path.join(directory, "generation_config.json")
        let json: JSON = Path.exists(file) ? try JSON(file: file, limit: 1 << 20) : .object([])
        let keys = ["do_sample", "temperature", "top_k", "top_p", "repetition_penalty"]
        sampling = .object(keys.compactMap { key in json[key].map { JSON.Member(key, $0) } })
        let text = config.json["text_config"]
        let stop = json["eos_token_id"] ?? config.json["eos_token_id"] ?? text?["eos_token_id"]
        stopTokens = (stop?.ints ?? stop?.int.map { [$0] } ?? []).compactMap(Int32.init(exactly:))
    }
}
