import ArgumentParser
import CommandSupport
import Runtime

/// How tokens are chosen; what is not given comes from the checkpoint.
struct SamplingOptions: ParsableArguments {
    @Option(
        name: .customLong("temp"), help: "Temperature; 0 always takes the most likely token.",
        transform: number(0...100))
    var temperature: Float?

    @Option(help: "Choose among the k most likely tokens; 0 for all.", transform: whole(0...1 << 24))
    var topK: Int?

    @Option(
        help: "Choose among the most likely tokens that together have this probability.",
        transform: number(Float.leastNormalMagnitude...1))
    var topP: Float?

    @Option(
        help: "Choose among tokens with at least this part of the most likely one's probability.",
        transform: number(0...1))
    var minP: Float?

    @Option(help: "Above 1: make tokens that occurred less likely.", transform: number(0.01...100))
    var repeatPenalty: Float?

    @Option(help: "Seed of the draws; unless given, one that --json and --verbose report.")
    var seed: UInt64?

    func settings(over defaults: Sampler.Settings) -> Sampler.Settings {
        Sampler.Settings(
            temperature: temperature ?? defaults.temperature, topK: topK ?? defaults.topK,
            topP: topP ?? defaults.topP, minP: minP ?? defaults.minP,
            repetitionPenalty: repeatPenalty ?? defaults.repetitionPenalty, seed: seed ?? defaults.seed)
    }
}
