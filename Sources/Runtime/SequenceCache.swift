import GraphIR
public import Storage

/// What is kept of a sequence from one run to the next: the keys and values of its tokens, and states of fixed size.
///
/// Keys and values can be cut back to any place. States cannot: of a model that has them only places can be come back to at which
/// they were kept.
public final class SequenceCache {
    /// A place in the sequence, to come back to.
    public struct Place {
        /// Tokens before it.
        public let count: Int
        /// The states there, where there are any but zeros.
        fileprivate let states: [Float]?
    }

    let keysAndValues: KeyValueCache
    let recurrent: RecurrentState
    /// Places that are kept, in order.
    private var kept: [Place] = []

    /// Places of which states are kept besides those of the present.
    static let keptPlaces = 3
    /// How often there are all states at most: at present, at these places, where a turn began and where a draft did.
    private static let copies = 1 + keptPlaces + 2

    /// A cache for the operations of `part` over at most `capacity` tokens.
    /// - Throws: `usage` for a capacity below 1, `limit` when memory has no room for it, before any is taken.
    init(_ part: GraphPart, capacity: Int, precision: KeyValueCache.Precision) throws(Failure) {
        keysAndValues = try KeyValueCache(part, capacity: capacity, precision: precision)
        recurrent = try RecurrentState(part)
    }

    /// Bytes that a cache takes with all places that it keeps.
    /// - Throws: `usage` for a capacity below 1, `limit` on overflow.
    static func byteCount(
        _ part: GraphPart, capacity: Int, precision: KeyValueCache.Precision
    ) throws(Failure) -> Int {
        try KeyValueCache.byteCount(part, capacity: capacity, precision: precision)
            + RecurrentState.byteCount(part) * copies
    }

    /// Tokens there is room for.
    public var capacity: Int { keysAndValues.capacity }
    /// How keys and values are kept.
    public var precision: KeyValueCache.Precision { keysAndValues.precision }
    /// Tokens that it holds.
    public var count: Int { keysAndValues.count }
    /// Whether every place can be come back to.
    public var isCuttable: Bool { recurrent.isEmpty }

    func advance(by tokens: Int) { keysAndValues.advance(by: tokens) }

    // MARK: Places

    /// The present place; one that is kept shares its states.
    public var place: Place {
        if let last = kept.last, last.count == count { return last }
        return Place(count: count, states: isCuttable || count == 0 ? nil : recurrent.values)
    }

    /// Goes to a place that was this cache's.
    public func rewind(to place: Place) {
        keysAndValues.truncate(to: place.count)
        kept.removeAll { $0.count > place.count }
        if !isCuttable { recurrent.restore(place.states) }
    }

    /// Keeps the present place, so that it can be come back to by its number of tokens; the oldest goes when there are too many.
    public func keepPlace() {
        guard !isCuttable, count > 0, kept.last?.count != count else { return }
        kept.append(place)
        if kept.count > SequenceCache.keptPlaces { kept.removeFirst() }
    }

    /// The last place after at most `count` tokens that can be come back to.
    public func reachable(_ count: Int) -> Int {
        if isCuttable || count >= self.count { return min(count, self.count) }
        return kept.last { $0.count <= count }?.count ?? 0
    }

    /// Goes back to the last place after at most `count` tokens that can be come back to.
    public func rewind(to count: Int) {
        let count = reachable(count)
        guard count < self.count else { return }
        rewind(to: kept.last { $0.count == count } ?? Place(count: count, states: nil))
    }

    // MARK: As bytes

    /// Shows what it holds: keys and values; then the present states; then of each place that is kept its number of tokens, 8 bytes
    /// little-endian, and the states there.
    public func withStored<Result>(
        _ body: ([UnsafeRawBufferPointer]) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let places = kept.map { place in
            UInt64(place.count).bytes
                + (place.states ?? []).withUnsafeBytes { Array($0) }
        }.flatMap { $0 }
        return try keysAndValues.withStored { (parts) throws(Failure) in
            try places.withBytes { (bytes) throws(Failure) in
                try body(parts + [UnsafeRawBufferPointer(recurrent.bytes), bytes])
            }
        }
    }

    /// Holds what another cache of the model held, instead of what it did.
    /// - Throws: `limit` when there is no room for so many tokens, `badInput` when the bytes are not theirs; then it is empty.
    func fill(_ count: Int, _ bytes: UnsafeRawBufferPointer) throws(Failure) {
        rewind(to: Place(count: 0, states: nil))
        let keys = keysAndValues.byteCount(of: min(max(0, count), capacity))
        let end = isCuttable ? bytes.count : min(keys, bytes.count)
        try keysAndValues.fill(count, UnsafeRawBufferPointer(rebasing: bytes[..<end]))
        guard !isCuttable else { return }
        do { try fillStates(UnsafeRawBufferPointer(rebasing: bytes[end...])) } catch {
            rewind(to: Place(count: 0, states: nil))
            throw error
        }
    }

    private func fillStates(_ bytes: UnsafeRawBufferPointer) throws(Failure) {
        let size = recurrent.bytes.count
        let (places, rest) = (bytes.count - size).quotientAndRemainder(dividingBy: 8 + size)
        guard (0...SequenceCache.keptPlaces).contains(places), rest == 0 else {
            throw .badInput("has \(bytes.count) bytes of states, which are \(size) each")
        }
        recurrent.bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<size]))
        for place in 0..<places {
            let start = size + place * (8 + size)
            let tokens = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self))
            guard let tokens = Int(exactly: tokens), tokens > kept.last?.count ?? 0, tokens <= count else {
                throw .badInput("keeps states of places that are out of order")
            }
            kept.append(
                Place(
                    count: tokens,
                    states: (0..<size / 4).map {
                        bytes.loadUnaligned(fromByteOffset: start + 8 + 4 * $0, as: Float.self)
                    }))
        }
    }

    // MARK: What is wrong

    /// - Throws: `badInput` when a key or value stored since the last check is beyond what the cache holds.
    func check() throws(Failure) { try keysAndValues.check() }
}
