/// How fast both models read the samples that were run.
public struct RunSpeeds: Sendable {
    /// Of one model.
    public struct Speed: Sendable {
        /// Tokens that were read.
        public fileprivate(set) var tokens = 0
        /// Seconds that it took, without pictures and answers; where samples are run side by side, divided by how many are.
        public fileprivate(set) var seconds = 0.0
    }

    /// Of the base.
    public private(set) var base = Speed()
    /// Of the other.
    public private(set) var other = Speed()

    /// Of several runs side by side.
    init(_ lanes: [RunSpeeds]) {
        for lane in lanes {
            base.tokens += lane.base.tokens
            base.seconds += lane.base.seconds / Double(lanes.count)
            other.tokens += lane.other.tokens
            other.seconds += lane.other.seconds / Double(lanes.count)
        }
    }

    init() {}

    mutating func add(_ side: Side, tokens: Int, _ duration: Duration) {
        let seconds = Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
        switch side {
        case .base: (base.tokens, base.seconds) = (base.tokens + tokens, base.seconds + seconds)
        case .other: (other.tokens, other.seconds) = (other.tokens + tokens, other.seconds + seconds)
        }
    }
}
