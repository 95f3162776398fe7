public import Storage

/// Where a run of placeholders stands in a prompt, and what it stands for: a picture, a video or a frame of one.
public struct VisualSpan: Equatable, Sendable {
    /// What the placeholders stand for.
    public var medium: PromptPiece.Medium
    /// The index of the first placeholder token.
    public var start: Int
    /// How many placeholders there are.
    public var tokens: Int
    /// The patches: t·h·w of them, h and w before merging.
    public var grid: PatchGrid
    /// From one frame (temporal patch) to the next.
    public var secondsPerFrame: Double

    /// A span from its parts.
    public init(
        medium: PromptPiece.Medium, start: Int, tokens: Int, grid: PatchGrid, secondsPerFrame: Double = 1
    ) {
        self.medium = medium
        self.start = start
        self.tokens = tokens
        self.grid = grid
        self.secondsPerFrame = secondsPerFrame
    }
}

/// A picture or video as a prompt takes it.
public struct VisualShape: Equatable, Sendable {
    /// What it is.
    public var medium: PromptPiece.Medium
    /// Its patches.
    public var grid: PatchGrid
    /// The tokens that stand for it.
    public var tokens: Int
    /// From one frame (temporal patch) to the next.
    public var secondsPerFrame: Double

    /// A shape from its parts.
    public init(_ medium: PromptPiece.Medium, grid: PatchGrid, tokens: Int, secondsPerFrame: Double = 1) {
        self.medium = medium
        self.grid = grid
        self.tokens = tokens
        self.secondsPerFrame = secondsPerFrame
    }
}

extension VisualSpan {
    /// Finds the runs of placeholder tokens in a prompt, in order, each as long as its shape says.
    ///
    /// - Parameters:
    ///   - imageToken: the placeholder of pictures.
    ///   - videoToken: the placeholder of videos; nil where there are none.
    ///   - shapes: pictures in order and videos in order; they are matched to the placeholders of their kind.
    /// - Returns: the spans, and for each visual in the order of the prompt its number in `shapes`.
    /// - Throws: `badInput` when the placeholders are not as many as the shapes ask for, or seconds are no time.
    public static func find(
        in tokens: [Int32], imageToken: Int32, videoToken: Int32?, _ shapes: [VisualShape], rule: PositionRule
    ) throws(Failure) -> (spans: [VisualSpan], order: [Int]) {
        var (images, videos) = (
            shapes.indices.filter { shapes[$0].medium == .image }[...],
            shapes.indices.filter { shapes[$0].medium == .video }[...]
        )
        for shape in shapes { try PositionRule.check(secondsPerFrame: shape.secondsPerFrame) }
        var spans: [VisualSpan] = []
        var order: [Int] = []
        var index = 0
        while index < tokens.count {
            let token = tokens[index]
            guard token == imageToken || token == videoToken else {
                index += 1
                continue
            }
            let medium: PromptPiece.Medium = token == imageToken ? .image : .video
            guard let number = medium == .image ? images.popFirst() : videos.popFirst() else {
                throw .badInput("the prompt has more \(medium.rawValue) placeholders than media")
            }
            order.append(number)
            let shape = shapes[number]
            guard shape.tokens <= tokens.count - index else {
                throw .badInput("the \(medium.rawValue) at token \(index) does not fit its placeholders")
            }
            let runs = rule.runs(of: shape.grid, medium)
            for grid in runs {
                // Text may stand between the runs of one visual.
                while index < tokens.count, tokens[index] != token { index += 1 }
                let count = shape.tokens / max(1, runs.count)
                guard count > 0, count * runs.count == shape.tokens, count <= tokens.count - index,
                    tokens[index..<(index + count)].allSatisfy({ $0 == token })
                else {
                    throw .badInput("the \(medium.rawValue) at token \(index) does not fit its placeholders")
                }
                spans.append(
                    VisualSpan(
                        medium: medium, start: index, tokens: count, grid: grid,
                        secondsPerFrame: shape.secondsPerFrame))
                index += count
            }
        }
        guard images.isEmpty, videos.isEmpty else {
            throw .badInput("the prompt has fewer placeholders than media")
        }
        return (spans, order)
    }
}
