import CKernels

/// Tokens by how likely they are, in buckets of almost equal weight: only the buckets that somebody looks into are sorted.
struct RankedTokens {
    struct Token {
        let id: Int32
        let logit: Float
        /// e^((logit − peak) / temperature), 1 at most.
        let weight: Float
    }

    /// Those whose weights have the upper sixteen bits in common: they differ by 1 % at most.
    struct Bucket {
        let number: Int
        let mass: Double
        /// No weight in it is smaller.
        var least: Float { Float(bitPattern: UInt32(number) << 16) }
    }

    /// The ids of the tokens; nil where they are all.
    private let ids: [Int32]?
    private let logits: [Float]
    private let weights: [Float]
    /// From the heaviest on, without those that are empty or weigh nothing.
    let buckets: [Bucket]
    /// What all of them weigh.
    var mass: Double { buckets.reduce(0) { $0 + $1.mass } }

    /// All tokens of a distribution, or its `most` most likely, of which equals are taken by their ids.
    init(_ logits: [Float], peak: Float, temperature: Float, most: Int?) {
        ids = most.map { RankedTokens.mostLikely($0, of: logits) }
        let chosen = ids.map { $0.map { logits[Int($0)] } } ?? logits
        // So low a temperature that its inverse overflows leaves nothing beside the peak.
        let factor = min(1 / temperature, .greatestFiniteMagnitude)
        var weights = Array(repeating: Float(0), count: chosen.count)
        tsr_logit_weights(chosen, chosen.count, peak, factor, &weights)
        (self.logits, self.weights) = (chosen, weights)
        buckets = RankedTokens.buckets(weights)
    }

    /// The tokens of a bucket from the most likely on, equals by their ids.
    func tokens(of bucket: Bucket) -> [Token] {
        var found: [Token] = []
        weights.withUnsafeBufferPointer { weights in
            for (place, weight) in weights.enumerated()
            where RankedTokens.bucket(of: weight) == bucket.number {
                found.append(Token(id: ids?[place] ?? Int32(place), logit: logits[place], weight: weight))
            }
        }
        found.sort { ($1.logit, $0.id) < ($0.logit, $1.id) }
        return found
    }

    private static func bucket(of weight: Float) -> Int { min(Int(weight.bitPattern >> 16), last) }

    private static let last = Int(Float(1).bitPattern >> 16)

    private static func buckets(_ weights: [Float]) -> [Bucket] {
        var masses = Array(repeating: 0.0, count: last + 1)
        masses.withUnsafeMutableBufferPointer { masses in
            weights.withUnsafeBufferPointer { weights in
                for weight in weights { masses[bucket(of: weight)] += Double(weight) }
            }
        }
        return masses.indices.reversed().compactMap {
            masses[$0] > 0 ? Bucket(number: $0, mass: masses[$0]) : nil
        }
    }

    /// The ids of the `most` highest logits, in no order.
    private static func mostLikely(_ most: Int, of logits: [Float]) -> [Int32] {
        var found: [(id: Int32, logit: Float)] = []
        func keepTheBest() {
            found.sort { ($1.logit, $0.id) < ($0.logit, $1.id) }
            found.removeLast(max(0, found.count - most))
        }
        logits.withUnsafeBufferPointer { logits in
            // Ids ascend: what only equals the worst that is kept comes after it.
            var worst = -Float.infinity
            for (id, logit) in logits.enumerated() where logit > worst {
                found.append((Int32(id), logit))
                guard found.count == 2 * most else { continue }
                keepTheBest()
                worst = found[most - 1].logit
            }
        }
        keepTheBest()
        return found.map(\.id)
    }
}
