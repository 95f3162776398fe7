public import Storage

extension TextContext {
    /// What a context is beside its cache.
    public struct Progress {
        /// Tokens evaluated.
        public let count: Int
        /// Tokens by which rotary positions stretch.
        public let promptLength: Int32
        /// The tokens evaluated, for models that may have to evaluate them anew.
        public let read: Input?

        /// Progress from its parts.
        public init(count: Int, promptLength: Int32, read: Input?) {
            self.count = count
            self.promptLength = promptLength
            self.read = read
        }
    }

    /// Whether the model may have to evaluate everything anew, so that what was evaluated is kept.
    public var isReadAnew: Bool { evaluated != nil }

    /// How far the context has come.
    public var progress: Progress {
        Progress(count: cache.count, promptLength: promptLength, read: evaluated?.prefix(cache.count))
    }

    /// Goes on from where another context of the same model was.
    /// - Parameter stored: what its cache held.
    /// - Throws: `limit` when there is no room for it, `badInput` when the parts do not fit each other; then the context is empty.
    public func resume(_ progress: Progress, _ stored: UnsafeRawBufferPointer) throws(Failure) {
        cache.rewind(to: 0)
        guard progress.promptLength >= 0, progress.count == 0 || isReadAnew == (progress.read != nil) else {
            throw .badInput("the tokens that were read do not fit the model")
        }
        if let read = progress.read, progress.count > 0 {
            guard read.tokens.count == progress.count else {
                throw .badInput("the tokens that were read are not those of the cache")
            }
            try check(read)
            evaluated?.append(read, after: 0)
        }
        try cache.fill(progress.count, stored)
        promptLength = progress.promptLength
    }
}
