import CKernels
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
        guard var peak = Sampler.mostLikely(logits) else { throw Sampler.failure(logits) }
        var logits = logits
        if settings.repetitionPenalty != 1 {
            penalise(&logits, seen)
            // Finite logits stay so.
            peak = Sampler.mostLikely(logits) ?? peak
        }
        guard settings.temperature > 0 else { return peak }
        let tokens = RankedTokens(
            logits, peak: logits[Int(peak)], temperature: settings.temperature,
            most: (1..<logits.count).contains(settings.topK) ? settings.topK : nil)
        return draw(from: tokens) ?? peak
    }

    private func penalise(_ logits: inout [Float], _ seen: Set<Int32>) {
        let most = Float.greatestFiniteMagnitude
        for token in seen where logits.indices.contains(Int(token)) && logits[Int(token)].isFinite {
            let value = logits[Int(token)]
            let penalised =
                value > 0 ? value / settings.repetitionPenalty : value * settings.repetitionPenalty
            logits[Int(token)] = min(most, max(-most, penalised))
        }
    }

    /// A token of those that top-p and min-p leave; nil when rounding leaves the draw beyond the last.
    private mutating func draw(from tokens: RankedTokens) -> Int32? {
        var left = Double(random.next() >> 11) * 0x1p-53 * keptMass(of: tokens)
        for bucket in tokens.buckets {
            guard left < bucket.mass else {
                left -= bucket.mass
                continue
            }
            for token in tokens.tokens(of: bucket) {
                left -= Double(token.weight)
                if left < 0 { return token.id }
            }
        }
        return nil
    }

    /// What the tokens weigh that top-p and min-p leave, which are the most likely ones.
    private func keptMass(of tokens: RankedTokens) -> Double {
        let wanted = Double(settings.topP) * tokens.mass
        var mass = 0.0
        for bucket in tokens.buckets {
            if mass + bucket.mass < wanted, bucket.least >= settings.minP {
                mass += bucket.mass
                continue
            }
            for token in tokens.tokens(of: bucket) {
                guard mass == 0 || mass < wanted, token.weight >= settings.minP else { return mass }
                mass += Double(token.weight)
            }
        }
        return mass
    }

    /// The token with the highest logit, the lowest id among equals; nil for logits that are no distribution: with a NaN or +∞
    /// among them, or without a finite one.
    public static func mostLikely(_ logits: [Float]) -> Int32? {
        var place = 0
        return tsr_logit_peak(logits, logits.count, &place).isNaN ? nil : Int32(place)
    }

    /// What is wrong with logits that are no distribution.
    private static func failure(_ logits: [Float]) -> Failure {
        guard let token = logits.firstIndex(where: { !($0 < .infinity) }) else {
            return .badInput("the logits are no distribution: none of \(logits.count) is finite")
        }
        return .badInput(
            "the logits are no distribution: that of token \(token) is \(logits[token].isNaN ? "NaN" : "∞")")
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
