extension Sampler {
    /// How far the draws have come.
    public var draws: UInt64 { random.state }

    /// A sampler that goes on with the draws of another, which began with `seed`.
    public init(_ settings: Settings, seed: UInt64, draws: UInt64) {
        self.settings = settings
        self.seed = seed
        random = SplitMix64(state: draws)
    }
}
