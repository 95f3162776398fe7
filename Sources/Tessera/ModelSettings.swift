import Prompts
import Runtime
import Storage

/// What a bundle's metadata say of how its model is run (`formats/prompt.md`).
struct ModelSettings {
    let prompt: PromptSettings
    let sampling: Sampler.Settings
    /// Positions that the model was made for.
    let contextLimit: Int

    /// What may stand in `general` beside the length of the context, for people.
    private static let descriptions = [
        "architecture", "parameter_count", "name", "description", "author", "license", "url",
    ]

    /// Reads the metadata. What is not known is refused, since it may change what is computed; `provenance` and `notes` hold
    /// whatever their writer likes.
    /// - Throws: `badInput` when a member is missing, unknown or out of range, with its place.
    init(metadata: JSON) throws(Failure) {
        try metadata.requireOnly(["general", "prompt", "sampling", "provenance", "notes"], at: "metadata")
        prompt = try PromptSettings(json: metadata["prompt"] ?? .null)
        sampling = try Sampler.Settings(json: metadata["sampling"] ?? .object([]))
        let general = metadata["general"] ?? .object([])
        try general.requireOnly(["context_length"] + ModelSettings.descriptions, at: "general")
        let length = general["context_length"] ?? .int(32768)
        guard let limit = length.int, (1...KeyValueCache.largestCapacity).contains(limit) else {
            throw .badInput("\(length.serialized()) is no number of tokens", at: "general.context_length")
        }
        contextLimit = limit
        guard (metadata["provenance"] ?? .object([])).members != nil else {
            throw .badInput("is no object", at: "provenance")
        }
    }
}

extension Sampler.Settings {
    /// Reads `generation_config.json`'s words; without `do_sample` the most likely token is taken.
    /// - Throws: `badInput` for numbers that choose nothing, and for words that are not known.
    init(json: JSON) throws(Failure) {
        try json.requireOnly(
            ["do_sample", "temperature", "top_k", "top_p", "min_p", "repetition_penalty"], at: "sampling")
        func number(_ key: String, _ range: ClosedRange<Double>, default value: Double) throws(Failure)
            -> Double
        {
            guard let json = json[key] else { return value }
            guard let number = json.double, range.contains(number) else {
                throw .badInput(
                    "\(json.serialized()) is not between \(range.lowerBound) and \(range.upperBound)",
                    at: "sampling.\(key)")
            }
            return number
        }
        self.init()
        repetitionPenalty = Float(try number("repetition_penalty", 0.01...100, default: 1))
        guard let samples = (json["do_sample"] ?? false).bool else {
            throw .badInput("is neither true nor false", at: "sampling.do_sample")
        }
        let heat = Float(try number("temperature", 0...100, default: 1))
        // The reference samples from the 50 most likely unless told otherwise.
        let most = try number("top_k", 0...Double(1 << 24), default: 50)
        guard let whole = Int(exactly: most) else {
            throw .badInput("\(most) is no number of tokens", at: "sampling.top_k")
        }
        let (share, least) = (try number("top_p", 0...1, default: 1), try number("min_p", 0...1, default: 0))
        guard samples else { return }
        (temperature, topK, topP, minP) = (heat, whole, Float(share), Float(least))
    }
}
