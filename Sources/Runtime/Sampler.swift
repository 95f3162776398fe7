import Glibc

/// Chooses the next token from logits.
///
/// The order is the field's: repetition penalty, temperature, the k most likely, the smallest set of probability p, a draw.
public struct Sampler: Sendable {
    /// How tokens are chosen.
    public struct Settings: Sendable, Equatable {
        /// 0 always takes the most likely token.
        public var temperature: Float
        /// Only so many most likely tokens; 0 for all.
        public var topK: Int
        /// Only the most likely tokens that together have this probability.
        public var topP: Float
        /// Above 1, tokens already in the context become less likely (arXiv 1909.05858, section 4.1).
        public var repetitionPenalty: Float
        /// Equal seeds give equal draws; nil for one that nobody knows before.
        public var seed: UInt64?

        /// Settings; the defaults always take the most likely token.
        public init(
            temperature: Float = 0, topK: Int = 0, topP: Float = 1, repetitionPenalty: Float = 1,
            seed: UInt64? = nil
        ) {
            self.temperature = temperature
            self.topK = topK
            self.topP = topP
            self.repetitionPenalty = repetitionPenalty
            self.seed = seed
        }
    }

    /// How tokens are chosen.
    public let settings: Settings
    /// What the draws began with.
    public let seed: UInt64
    private var random: SplitMix64

    /// A sampler at the beginning of its draws.
    public init(_ settings: Settings) {
        self.settings = settings
        // 32 bits are enough to tell answers apart, and short enough to be typed again.
        seed = settings.seed ?? UInt64(UInt32.random(in: 0...UInt32.max))
        random = SplitMix64(state: seed)
    }

    /// The next token; `seen` are the tokens of the context, prompt included.
    public mutating func next(_ logits: [Float], seen: Set<Int32>) -> Int32 {
        var logits = logits
        if settings.repetitionPenalty != 1 {
            for token in seen where logits.indices.contains(Int(token)) {
                let value = logits[Int(token)]
                logits[Int(token)] =
                    value > 0 ? value / settings.repetitionPenalty : value * settings.repetitionPenalty
            }
        }
        guard settings.temperature > 0 else { return Sampler.mostLikely(logits) }
        var candidates = logits.indices.map { (token: Int32($0), weight: logits[$0] / settings.temperature) }
        // Ties fall to the lower id, so that a seed gives the same text everywhere.
        candidates.sort { ($1.weight, $0.token) < ($0.weight, $1.token) }
        if settings.topK > 0, settings.topK < candidates.count {
            candidates.removeLast(candidates.count - settings.topK)
        }
        let highest = candidates[0].weight
        var total: Float = 0
        for index in candidates.indices {
            candidates[index].weight = expf(candidates[index].weight - highest)
            total += candidates[index].weight
        }
        var kept = 0
        var mass: Float = 0
        while kept < candidates.count, kept == 0 || mass < settings.topP * total {
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

    /// The token with the highest logit; the lowest id among equals.
    public static func mostLikely(_ logits: [Float]) -> Int32 {
        var best = 0
        for index in logits.indices where logits[index] > logits[best] { best = index }
        return Int32(best)
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
