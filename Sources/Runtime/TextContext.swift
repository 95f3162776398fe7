import GraphIR
public import Storage

/// A sequence being read and written: its cache, and the rows wanted of it.
public final class TextContext {
    /// Tokens to evaluate, with where they stand and which of them show pictures.
    public struct Input {
        /// Token ids.
        public let tokens: [Int32]
        /// Axis after axis, a position for each token.
        public let positions: [Int32]
        /// Rows that replace the embeddings of the tokens at `visualRows`, in order.
        public let visuals: Engine.Rows?
        /// Ascending token numbers within `tokens`.
        public let visualRows: [Int32]
        /// Ascending numbers of tokens after which there is a place to come back to.
        public let places: [Int]

        /// An input; positions are as many as tokens on each axis.
        public init(
            tokens: [Int32], positions: [Int32], visuals: Engine.Rows? = nil, visualRows: [Int32] = [],
            places: [Int] = []
        ) {
            self.tokens = tokens
            self.positions = positions
            self.visuals = visuals
            self.visualRows = visualRows
            self.places = places
        }
    }

    /// The tokens whose final hidden state is wanted.
    public enum Wanted {
        case last
        case all
        /// From this token of the input on.
        case from(Int)
    }

    /// What evaluates it.
    public let engine: Engine
    /// What is kept of what was evaluated.
    public let cache: SequenceCache
    let axes: Int
    private let tokenLimit: Int
    /// Tokens by which rotary positions stretch: those of the prompt with which the cache was begun.
    var promptLength: Int32 = 0
    /// What the cache holds, for models whose rotary positions stretch.
    var evaluated: EvaluatedText?

    /// A context of at most `capacity` tokens.
    /// - Throws: `usage` for a capacity below 1, `limit` when memory has no room for its cache.
    public init(_ engine: Engine, capacity: Int) throws(Failure) {
        self.engine = engine
        cache = try SequenceCache(
            GraphPart(try engine.graph.graph("text")), capacity: capacity,
            precision: engine.options.cachePrecision)
        axes = engine.positionAxes
        tokenLimit = engine.tokenLimit
        if engine.text.takes("prompt_length") {
            evaluated = EvaluatedText(axes: axes, visualWidth: engine.visualWidth)
        }
    }

    /// Text whose positions count up from `first` on all axes.
    public func text(_ tokens: [Int32], from first: Int32) -> Input {
        let row = tokens.indices.map { Int32(clamping: Int(first) + $0) }
        return Input(tokens: tokens, positions: (0..<axes).flatMap { _ in row })
    }

    /// A place in the sequence to come back to.
    public struct Mark {
        fileprivate let place: SequenceCache.Place
        fileprivate let promptLength: Int32
        fileprivate let evaluated: EvaluatedText?
    }

    /// The present place.
    public var mark: Mark {
        Mark(place: cache.place, promptLength: promptLength, evaluated: evaluated)
    }

    /// Forgets what was evaluated since `mark`.
    ///
    /// What came before it is read again where it was read anew since, with its positions stretched otherwise.
    /// - Throws: as `evaluate(_:wanted:observer:)`, when it cannot be read again; then the context is empty.
    public func restore(_ mark: Mark) throws(Failure) {
        let isReadAnew =
            evaluated != nil && (promptLength != mark.promptLength || cache.count < mark.place.count)
        promptLength = mark.promptLength
        evaluated = mark.evaluated
        guard isReadAnew, mark.place.count > 0, let before = mark.evaluated?.prefix(mark.place.count) else {
            return cache.rewind(to: mark.place)
        }
        cache.rewind(to: 0)
        do { _ = try evaluate(before, promptLength: mark.promptLength) } catch {
            cache.rewind(to: 0)
            throw error
        }
    }

    /// Evaluates a prompt after what is in the cache, and gives its last token's final hidden state.
    ///
    /// In some models positions stretch by the tokens that there are when an answer begins. Where that changes how far they
    /// stretch, the cache is of no use any more, and everything is evaluated anew.
    /// - Throws: as `evaluate(_:wanted:observer:)`.
    public func evaluate(prompt input: Input) throws(Failure) -> Engine.Rows {
        try check(input)
        let length = cache.count + input.tokens.count
        let isStretchedAnew = engine.text.rotaryTables.contains {
            $0.frequencies(promptLength: Int(promptLength)) != $0.frequencies(promptLength: length)
        }
        guard cache.count > 0, isStretchedAnew, var whole = evaluated else { return try evaluate(input) }
        whole.append(input, after: cache.count)
        cache.rewind(to: 0)
        return try evaluate(whole.input)
    }

    /// Evaluates tokens after those in the cache, in chunks, and gives the wanted final hidden states.
    /// - Throws: `limit` when the context is full, `badInput` for ids or rows that do not fit.
    public func evaluate(
        _ input: Input, wanted: Wanted = .last, observer: Observer? = nil
    ) throws(Failure) -> Engine.Rows {
        try evaluate(input, wanted: wanted, promptLength: Int32(clamping: input.tokens.count), observer)
    }

    /// - Parameter length: by which positions stretch, where the cache is empty.
    private func evaluate(
        _ input: Input, wanted: Wanted = .last, promptLength length: Int32, _ observer: Observer? = nil
    ) throws(Failure) -> Engine.Rows {
        try check(input)
        let count = input.tokens.count
        if cache.count == 0 { promptLength = length }
        evaluated?.append(input, after: cache.count)
        let firstWanted =
            switch wanted {
            case .last: count - 1
            case .all: 0
            case .from(let first): max(0, first)
            }
        var hidden: [Float] = []
        var visual = 0
        // What can be cut anywhere has no places to stop at, and of more than are kept the last would take the others'.
        var places = (cache.isCuttable ? [] : input.places).suffix(SequenceCache.keptPlaces)
        var start = 0
        while start < count {
            places = places.drop { $0 <= start }
            let chunk = start..<min(count, start + engine.options.chunk, places.first ?? count)
            let visualEnd =
                input.visualRows[visual...].firstIndex { Int($0) >= chunk.upperBound }
                ?? input.visualRows.count
            let outputs = (max(chunk.lowerBound, firstWanted)..<max(chunk.upperBound, firstWanted)).map {
                Int32($0 - chunk.lowerBound)
            }
            let rows = try evaluate(
                input, chunk, visuals: visual..<visualEnd,
                outputs: chunk.upperBound > firstWanted ? outputs : [], observer)
            hidden.append(contentsOf: rows.values)
            visual = visualEnd
            start = chunk.upperBound
            if start == places.first { cache.keepPlace() }
        }
        return Engine.Rows(values: hidden, columns: engine.width)
    }

    private func evaluate(
        _ input: Input, _ chunk: Range<Int>, visuals: Range<Int>, outputs: [Int32], _ observer: Observer?
    ) throws(Failure) -> Engine.Rows {
        let tokens = Array(input.tokens[chunk])
        let all = input.tokens.count
        let positions = (0..<axes).flatMap {
            input.positions[$0 * all + chunk.lowerBound..<$0 * all + chunk.upperBound]
        }
        let visualRows = input.visualRows[visuals].map { $0 - Int32(chunk.lowerBound) }
        let extents = Extents(tokens: tokens.count, visuals: visuals.count, outputs: outputs.count)
        let rows = try engine.run(
            observer == nil ? engine.text : engine.observedText, extents,
            [
                "tokens": .indices(tokens),
                "visuals": .floats(
                    input.visuals?.values ?? [], skipping: visuals.lowerBound * engine.visualWidth),
                "visual_rows": .indices(visualRows), "positions": .indices(positions),
                "outputs": .indices(outputs), "prompt_length": .indices([promptLength]),
            ], cache: cache, observer)
        cache.advance(by: tokens.count)
        return rows
    }

    /// Refuses tokens that have no room after the first `used`.
    /// - Throws: `limit`.
    public func checkRoom(for tokens: Int, after used: Int) throws(Failure) {
        guard tokens <= cache.capacity - used else {
            throw Failure(
                .limit,
                "the context of \(cache.capacity) tokens is full: \(used) used, \(tokens) more wanted",
                remedy: "give a larger --ctx-size")
        }
    }

    func check(_ input: Input) throws(Failure) {
        let count = input.tokens.count
        guard count > 0 else { throw .badInput("there are no tokens to evaluate") }
        try checkRoom(for: count, after: cache.count)
        if let wrong = input.tokens.first(where: { $0 < 0 || Int($0) >= tokenLimit }) {
            throw .badInput("there is no token \(wrong)")
        }
        guard input.positions.allSatisfy({ $0 >= 0 }) else {
            throw .badInput("the tokens stand at positions below 0")
        }
        let rows = input.visualRows
        guard input.positions.count == axes * count, rows.count == input.visuals?.count ?? 0,
            zip(rows, rows.dropFirst()).allSatisfy({ $0 < $1 }), (rows.first ?? 0) >= 0,
            Int(rows.last ?? 0) < count, input.visuals.map({ $0.columns == engine.visualWidth }) ?? true
        else { throw .badInput("the tokens, positions and visual rows do not fit each other") }
    }
}
