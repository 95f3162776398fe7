public import Storage

/// Where a picture's or a video's tokens stand in a prompt, and their shape.
public struct VisualSpan: Equatable, Sendable {
    /// What the placeholders stand for.
    public var medium: PromptPiece.Medium
    /// The index of the first placeholder token.
    public var start: Int
    /// The patches: t·h·w of them, h and w before merging.
    public var grid: PatchGrid

    /// A span from its parts.
    public init(medium: PromptPiece.Medium, start: Int, grid: PatchGrid) {
        self.medium = medium
        self.start = start
        self.grid = grid
    }
}

/// How positions for rotary embedding are given to tokens: data, since it differs between generations.
public struct PositionRule: Equatable, Sendable {
    /// How the time row of a visual token follows from its frame (temporal patch) f.
    public enum Time: String, Equatable, Sendable {
        /// f itself, in pictures and videos (Qwen2-VL).
        case frame
    }

    /// How time counts.
    public var time: Time
    /// Patches per token along each side.
    public var mergeSize: Int

    /// A rule from its parts.
    public init(time: Time, mergeSize: Int) {
        self.time = time
        self.mergeSize = mergeSize
    }

    /// Qwen2-VL's.
    public static let qwen2VL = PositionRule(time: .frame, mergeSize: 2)

    /// The rule as it is stored in a bundle.
    public var json: JSON { .pairs(["time": .string(time.rawValue), "merge_size": .int(mergeSize)]) }

    /// Reads a rule back.
    ///
    /// - Throws: `badInput` when a member is missing or unknown.
    public init(json: JSON) throws(Failure) {
        guard let time = json["time"]?.string.flatMap(Time.init(rawValue:)) else {
            throw .badInput("position rule has no known \"time\"")
        }
        guard let mergeSize = json["merge_size"]?.int, (1...64).contains(mergeSize) else {
            throw .badInput("position rule has no \"merge_size\"")
        }
        self.init(time: time, mergeSize: mergeSize)
    }
}

/// The three position rows of multimodal rotary embedding: time, height, width.
///
/// Positions are not the order of tokens: all of a picture's tokens may lie before, at and after one position. Never
/// build a causal mask from them.
public struct Positions: Equatable, Sendable {
    /// One position a token.
    public var time: [Int32] = []
    /// One position a token.
    public var height: [Int32] = []
    /// One position a token.
    public var width: [Int32] = []
    /// The position of the next text token, in all three rows.
    public var next: Int32

    /// How many tokens have positions.
    public var count: Int { time.count }

    /// What to add to the number of tokens so far to get the next position (the reference's `rope_delta`).
    public var delta: Int32 { next - Int32(count) }

    /// The positions of a prompt: text counts up in all rows; a visual token at frame f, row y, column x of a run
    /// that starts at n gets (n + T(f), n + y, n + x); after the run, counting goes on at its largest position + 1.
    /// (That is how the models were trained; transformers 5 goes on elsewhere after long videos.)
    ///
    /// - Parameters:
    ///   - start: The first position: 0, or ``next`` of what came before in a conversation.
    ///   - spans: In order, not overlapping.
    /// - Throws: `badInput` when spans don't fit the tokens, `limit` when positions exceed 32 bits.
    public init(
        tokenCount: Int, spans: [VisualSpan], rule: PositionRule, start: Int32 = 0
    ) throws(Failure) {
        next = start
        guard tokenCount >= 0, start >= 0, tokenCount < Int(Int32.max - start) else {
            throw Failure(.limit, "\(tokenCount) tokens are too many")
        }
        for span in spans {
            guard span.start >= count, let tokens = span.grid.tokens(mergeSize: rule.mergeSize),
                tokens > 0, span.start <= tokenCount, tokens <= tokenCount - span.start
            else {
                throw .badInput(
                    "the \(span.medium.rawValue) at token \(span.start) does not fit its placeholders")
            }
            appendText(span.start - count)
            append(span.grid, rule)
        }
        appendText(tokenCount - count)
    }

    private mutating func appendText(_ tokens: Int) {
        for _ in 0..<tokens {
            time.append(next)
            height.append(next)
            width.append(next)
            next += 1
        }
    }

    private mutating func append(_ grid: PatchGrid, _ rule: PositionRule) {
        let first = next
        let (rows, columns) = (grid.h / rule.mergeSize, grid.w / rule.mergeSize)
        for frame in 0..<grid.t {
            let t: Int32
            switch rule.time {
            case .frame: t = first + Int32(frame)
            }
            for y in 0..<rows {
                for x in 0..<columns {
                    time.append(t)
                    height.append(first + Int32(y))
                    width.append(first + Int32(x))
                }
            }
            next = max(next, t + 1)
        }
        next = max(next, first + Int32(max(rows, columns)))
    }
}

extension VisualSpan {
    /// Finds the runs of placeholder tokens in a prompt, each as long as its grid says, in order.
    ///
    /// - Throws: `badInput` when the placeholders are not as many as the grids ask for.
    public static func find(
        in tokens: [Int32], image: (token: Int32, grids: [PatchGrid]),
        video: (token: Int32, grids: [PatchGrid]),
        mergeSize: Int
    ) throws(Failure) -> [VisualSpan] {
        var spans: [VisualSpan] = []
        var images = image.grids[...]
        var videos = video.grids[...]
        var index = 0
        while index < tokens.count {
            let token = tokens[index]
            guard token == image.token || token == video.token else {
                index += 1
                continue
            }
            let medium: PromptPiece.Medium = token == image.token ? .image : .video
            guard let grid = medium == .image ? images.popFirst() : videos.popFirst() else {
                throw .badInput("the prompt has more \(medium.rawValue) placeholders than media")
            }
            guard let count = grid.tokens(mergeSize: mergeSize), count > 0, count <= tokens.count - index,
                tokens[index..<(index + count)].allSatisfy({ $0 == token })
            else { throw .badInput("the \(medium.rawValue) at token \(index) does not fit its placeholders") }
            spans.append(VisualSpan(medium: medium, start: index, grid: grid))
            index += count
        }
        guard images.isEmpty, videos.isEmpty else {
            throw .badInput("the prompt has fewer placeholders than media")
        }
        return spans
    }
}
