public import Storage

/// The rows of positions for rotary embedding: time, height and width of multimodal positions, or a single row.
///
/// Positions are not the order of tokens: all of a picture's tokens may lie before, at and after one position. Never
/// build a causal mask from them.
public struct Positions: Equatable, Sendable {
    /// One position a token in each row.
    public private(set) var rows: [[Int32]]
    /// The position of the next text token, in all rows.
    public private(set) var next: Int32

    /// No token stands further: float32 cannot tell neighbours apart long before.
    static let last: Int32 = 1 << 30
    /// The most tokens that are given positions at once.
    static let mostTokens = 1 << 24

    /// How many tokens have positions.
    public var count: Int { rows[0].count }

    /// What to add to the number of tokens so far to get the next position (the reference's `rope_delta`).
    public var delta: Int32 { next - Int32(count) }

    /// Row after row.
    public var values: [Int32] { rows.flatMap { $0 } }

    /// The positions of a prompt: text counts up in all rows; a visual token at frame f, row y, column x of a run
    /// that starts at n gets (n + T(f), n + y, n + x); after the run, counting goes on at its largest position + 1.
    /// (That is how the models were trained; transformers 5 goes on elsewhere after long videos.) With one row, visual
    /// tokens count as text.
    ///
    /// - Parameters:
    ///   - start: The first position: 0, or ``next`` of what came before in a conversation.
    ///   - spans: In order, not overlapping.
    /// - Throws: `badInput` when spans don't fit the tokens or have no time, `limit` when there are more than 2²⁴ tokens or
    ///   positions go beyond 2³⁰.
    public init(
        tokenCount: Int, spans: [VisualSpan], rule: PositionRule, start: Int32 = 0
    ) throws(Failure) {
        rows = Array(repeating: [], count: rule.axes)
        next = start
        guard start >= 0, start <= Positions.last else { throw Positions.tooFar }
        guard tokenCount >= 0, tokenCount <= Positions.mostTokens else {
            throw Failure(.limit, "\(tokenCount) tokens are too many")
        }
        for span in spans {
            guard span.start >= count, span.tokens > 0, span.start <= tokenCount,
                span.tokens <= tokenCount - span.start,
                rule.kind == .sequential || span.grid.tokens(mergeSize: rule.mergeSize) == span.tokens
            else {
                throw .badInput(
                    "the \(span.medium.rawValue) at token \(span.start) does not fit its placeholders")
            }
            try appendText(span.start - count)
            if rule.kind == .sequential { try appendText(span.tokens) } else { try append(span, rule) }
        }
        try appendText(tokenCount - count)
    }

    /// Those after the first `count` tokens.
    public func dropFirst(_ count: Int) -> Positions {
        var rest = self
        rest.rows = rows.map { Array($0.dropFirst(count)) }
        return rest
    }

    private mutating func appendText(_ tokens: Int) throws(Failure) {
        guard tokens <= Int(Positions.last - next) else { throw Positions.tooFar }
        let positions = next..<next + Int32(tokens)
        for row in rows.indices { rows[row] += positions }
        next += Int32(tokens)
    }

    private mutating func append(_ span: VisualSpan, _ rule: PositionRule) throws(Failure) {
        let first = next
        let (height, width) = (span.grid.h / rule.mergeSize, span.grid.w / rule.mergeSize)
        let last = try rule.time(of: span.grid.t - 1, secondsPerFrame: span.secondsPerFrame)
        let extent = max(last, Int32(max(height, width) - 1))
        guard extent < Positions.last - first else { throw Positions.tooFar }
        for frame in 0..<span.grid.t {
            let time = try first + rule.time(of: frame, secondsPerFrame: span.secondsPerFrame)
            for y in 0..<height {
                for x in 0..<width {
                    rows[0].append(time)
                    rows[1].append(first + Int32(y))
                    rows[2].append(first + Int32(x))
                }
            }
        }
        next = first + extent + 1
    }

    static let tooFar = Failure(.limit, "positions go beyond 2³⁰")
}
