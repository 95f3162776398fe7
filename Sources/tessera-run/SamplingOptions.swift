import ArgumentParser
import Runtime

/// How tokens are chosen; what is not given comes from the checkpoint.
struct SamplingOptions: ParsableArguments {
    @Option(name: .customLong("temp"), help: "Temperature; 0 always takes the most likely token.")
    var temperature: Float?

    @Option(help: "Choose among the k most likely tokens.")
    var topK: Int?

    @Option(help: "Choose among the most likely tokens that together have this probability.")
    var topP: Float?

    @Option(help: "Above 1: make tokens that occurred less likely.")
    var repeatPenalty: Float?

    @Option(help: "Seed of the draws.")
    var seed: UInt64?

    mutating func validate() throws {
        guard (temperature ?? 0) >= 0, (topP ?? 1) > 0, (topK ?? 0) >= 0, (repeatPenalty ?? 1) > 0 else {
            throw ValidationError(
                "--temp and --top-k must be at least 0, --top-p and --repeat-penalty above 0")
        }
    }

    func settings(over defaults: Sampler.Settings) -> Sampler.Settings {
        Sampler.Settings(
            temperature: temperature ?? defaults.temperature, topK: topK ?? defaults.topK,
            topP: topP ?? defaults.topP,
            repetitionPenalty: repeatPenalty ?? defaults.repetitionPenalty, seed: seed ?? defaults.seed)
    }
}
