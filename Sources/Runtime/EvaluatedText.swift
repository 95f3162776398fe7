/// What a context evaluated, kept for models that may have to evaluate it anew.
struct EvaluatedText {
    private var tokens: [Int32] = []
    /// By axis.
    private var positions: [[Int32]]
    private var visuals: [Float] = []
    private var visualRows: [Int32] = []
    private let visualWidth: Int

    init(axes: Int, visualWidth: Int) {
        positions = Array(repeating: [], count: axes)
        self.visualWidth = visualWidth
    }

    /// Adds an input that was checked, after the first `count` tokens; forgets what came after these.
    mutating func append(_ input: TextContext.Input, after count: Int) {
        tokens.removeLast(max(0, tokens.count - count))
        let rows = visualRows.prefix { $0 < count }.count
        visualRows.removeLast(visualRows.count - rows)
        visuals.removeLast(max(0, visuals.count - rows * visualWidth))
        for axis in positions.indices {
            positions[axis].removeLast(positions[axis].count - tokens.count)
            let added = input.tokens.count
            positions[axis].append(contentsOf: input.positions[axis * added..<(axis + 1) * added])
        }
        visualRows.append(contentsOf: input.visualRows.map { $0 + Int32(tokens.count) })
        visuals.append(contentsOf: input.visuals?.values ?? [])
        tokens.append(contentsOf: input.tokens)
    }

    /// The first `count` tokens as one input.
    func prefix(_ count: Int) -> TextContext.Input {
        let rows = visualRows.prefix { $0 < count }
        return TextContext.Input(
            tokens: Array(tokens.prefix(count)), positions: positions.flatMap { $0.prefix(count) },
            visuals: rows.isEmpty
                ? nil
                : Engine.Rows(values: Array(visuals.prefix(rows.count * visualWidth)), columns: visualWidth),
            visualRows: Array(rows))
    }

    /// All of it as one input.
    var input: TextContext.Input {
        TextContext.Input(
            tokens: tokens, positions: positions.flatMap { $0 },
            visuals: visualRows.isEmpty ? nil : Engine.Rows(values: visuals, columns: visualWidth),
            visualRows: visualRows)
    }
}
