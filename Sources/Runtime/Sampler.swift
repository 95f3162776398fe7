import CKernels
import Glibc
public import Storage

/// Chooses the next token from logits.
///
/// The order is the field's: repetition penalty, temperature, the k most likely, the smallest set of probability p, those not
/// too far below the most likely one, a draw.
public struct Sampler: Sendable {
    /// How tokens are chosen.
    public struct Settings: Sendable, Equatable {
        /// 0 always takes the most likely token.
        public var temperature: Float
        /// Only so many most likely tokens; 0 for all.
        public var topK: Int
        /// Only the most likely tokens that together have this probability.
        public var topP: Float
        /// Only tokens with at least this part of the most likely one's probability (arXiv 2407.01082); 0 for all.
        public var minP: Float
        /// Above 1, tokens already in the context become less likely (arXiv 1909.05858, section 4.1).
        public var repetitionPenalty: Float
        /// Equal seeds give equal draws; nil for one that nobody knows before.
        public var seed: UInt64?

        /// Settings; the defaults always take the most likely token.
        public init(
            temperature: Float = 0, topK: Int = 0, topP: Float = 1, minP: Float = 0,
            repetitionPenalty: Float = 1, seed: UInt64? = nil
        ) {
            self.temperature = temperature
            self.topK = topK
            self.topP = topP
            self.minP = minP
            self.repetitionPenalty = repetitionPenalty
            self.seed = seed
        }
    }

    /// How tokens are chosen.
    public let settings: Settings
    /// What the draws began with.
    public let seed: UInt64
    var random: SplitMix64

    /// A sampler at the beginning of its draws.
    public init(_ settings: Settings) {
        self.settings = settings
        // 32 bits are enough to tell answers apart, and short enough to be typed again.
        seed = settings.seed ?? UInt64(UInt32.random(in: 0...UInt32.max))
        random = SplitMix64(state: seed)
    }

    /// The next token; `seen` are the tokens of the context, prompt included. A logit of −∞ is a probability of 0.
    /// - Throws: `badInput` when the logits are no distribution: with a NaN or +∞ among them, or without a finite maximum;
    ///   `usage` when the settings are not possible.
    public mutating func next(_ logits: [Float], seen: Set<Int32>) throws(Failure) -> Int32 {
        try settings.check()
        guard Sampler.isDistribution(logits) else { throw Sampler.failure(logits) }
        var logits = logits
        if settings.repetitionPenalty != 1 {
            for token in seen where logits.indices.contains(Int(token)) && logits[Int(token)].isFinite {
                let value = logits[Int(token)]
                let penalised =
                    value > 0 ? value / settings.repetitionPenalty : value * settings.repetitionPenalty
                let most = Float.greatestFiniteMagnitude
                logits[Int(token)] = min(most, max(-most, penalised))
            }
        }
        guard settings.temperature > 0 else { return Sampler.mostLikely(logits) }
        // So low a temperature that quotients overflow divides differences instead.
        let divides = logits.allSatisfy { !$0.isFinite || ($0 / settings.temperature).isFinite }
        var candidates = logits.indices.map {
            (token: Int32($0), weight: divides ? logits[$0] / settings.temperature : logits[$0])
        }
        // Ties fall to the lower id, so that a seed gives the same text everywhere.
        candidates.sort { ($1.weight, $0.token) < ($0.weight, $1.token) }
        if settings.topK > 0, settings.topK < candidates.count {
            candidates.removeLast(candidates.count - settings.topK)
        }
        let highest = candidates[0].weight
        var total: Float = 0
        for index in candidates.indices {
            let difference = candidates[index].weight - highest
            candidates[index].weight = expf(divides ? difference : difference / settings.temperature)
            total += candidates[index].weight
        }
        var kept = 0
        var mass: Float = 0
        // The most likely candidate weighs 1.
        while kept < candidates.count, kept == 0 || mass < settings.topP * total,
            candidates[kept].weight >= settings.minP
        {
            mass += candidates[kept].weight
            kept += 1
        }
        var draw = Float(random.next() >> 40) / Float(1 << 24) * mass
        for candidate in candidates.prefix(kept) {
            draw -= candidate.weight
            if draw < 0 { return candidate.token }
        }
        return candidates[kept - 1].token
    }

    /// Whether logits stand for a distribution: no NaN and no +∞ among them, and a finite one.
    public static func isDistribution(_ logits: [Float]) -> Bool {
        var index = 0
        guard tsr_first_nonfinite(TSR_F32, logits, logits.count, &index) != 0 else { return !logits.isEmpty }
        return logits.allSatisfy { $0 < .infinity } && logits.contains { $0.isFinite }
    }

    /// What is wrong with logits that are no distribution.
    private static func failure(_ logits: [Float]) -> Failure {
        guard let token = logits.firstIndex(where: { !($0 < .infinity) }) else {
            return .badInput("the logits are no distribution: none of \(logits.count) is finite")
        }
        return .badInput(
            "the logits are no distribution: that of token \(token) is \(logits[token].isNaN ? "NaN" : "∞")")
    }

    /// The token with the highest of logits that are a distribution; the lowest id among equals.
    public static func mostLikely(_ logits: [Float]) -> Int32 {
        var best = 0
        for index in logits.indices where logits[index] > logits[best] { best = index }
        return Int32(best)
    }
}

extension Sampler.Settings {
    /// - Throws: `usage` when one of them is no number that a choice can be made by.
    fileprivate func check() throws(Failure) {
        guard temperature >= 0, temperature.isFinite, repetitionPenalty > 0, repetitionPenalty.isFinite,
            topP >= 0, topP <= 1, minP >= 0, minP <= 1
        else {
            throw Failure(
                .usage,
                "a temperature of \(temperature), a top-p of \(topP), a min-p of \(minP) and a repetition penalty of "
                    + "\(repetitionPenalty) are not possible")
        }
    }
}

/// Vigna's SplitMix64: small, fast and the same everywhere (https://prng.di.unimi.it/splitmix64.c).
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
