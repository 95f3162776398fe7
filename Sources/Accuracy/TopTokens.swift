import Glibc

/// The most likely tokens of a row of logits.
public struct TopTokens: Equatable, Sendable {
    /// A token and how likely it is.
    public struct Entry: Equatable, Sendable {
        /// Its number.
        public let token: Int32
        /// Between 0 and 1.
        public let probability: Double
    }

    /// The most likely first; of equals, the lower number.
    public let entries: [Entry]

    init(entries: [Entry]) { self.entries = entries }

    /// Up to `count` tokens; nil for a row that is no distribution: with a NaN or +∞ in it, or without a finite maximum.
    public init?(_ logits: UnsafeBufferPointer<Float>, count: Int = 5) {
        guard count > 0, let highest = logits.max(), highest.isFinite, !logits.contains(where: \.isNaN)
        else { return nil }
        let sum = logits.reduce(0.0) { $0 + exp(Double($1) - Double(highest)) }
        var best: [Int] = []
        for index in logits.indices where best.count < count || logits[index] > logits[best[best.count - 1]] {
            let place = best.firstIndex { logits[index] > logits[$0] } ?? best.count
            best.insert(index, at: place)
            if best.count > count { best.removeLast() }
        }
        entries = best.map {
            Entry(
                token: Int32(clamping: $0), probability: exp(Double(logits[$0]) - Double(highest)) / sum)
        }
    }
}
