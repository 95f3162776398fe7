import GraphIR
import Storage

/// How far a value of one model is from the same of another, over samples that both read.
public struct StageDifference: Sendable {
    /// A value's name, `text.block.3.mlp`, or that of the linears that gave it, `text.block.3.attention.q+k+v`.
    public let name: String
    /// The linears, table or norm that computed it last.
    public let module: String
    /// The weights of these.
    public let weights: [String]
    /// Whether it is a residual sum, or a norm of one: what its linears cost is then small or large beside what they are added to.
    public let isSum: Bool
    /// Where each model read its own earlier values.
    public let accumulated: StageError
    /// Where the other model was given the base's values before these linears: what they alone cost.
    public let own: StageError
    /// The median of ``own`` over the same linears of all blocks; nil where there are none to compare with.
    public internal(set) var expectedOwn: Double?
    /// ``accumulated`` over the rows of pictures and videos alone; nil where there are none.
    public let visual: StageError?
    /// ``accumulated`` over the rows of text alone; nil where there are none.
    public let text: StageError?
    /// The row that is furthest away, of all samples.
    public let worstRow: Row?

    /// A row of a value: of a token, or of a patch.
    public struct Row: Sendable {
        /// The number of the sample among those that were run.
        public let sample: Int
        /// Its number in the sample, or in the picture.
        public let row: Int
        /// ‖a − b‖ / ‖b‖ of the row.
        public let relativeL2: Double
    }

    /// The graph that it is of.
    public var graph: String { String(name.prefix { $0 != "." }) }

    /// The number of its transformer block; nil outside of blocks.
    public var block: Int? {
        let words = module.split(separator: ".")
        return words.firstIndex(of: "block").flatMap { $0 + 1 < words.count ? Int(words[$0 + 1]) : nil }
    }

    /// Its name without numbers: what it is compared by with other blocks.
    var kind: String { StageDifference.withoutNumbers(name) + " " + StageDifference.withoutNumbers(module) }

    private static func withoutNumbers(_ name: String) -> String {
        name.split(separator: ".").map { Int($0) == nil ? String($0) : "*" }.joined(separator: ".")
    }
}

extension [StageDifference] {
    /// Sets what each stage's own error is compared with.
    mutating func setExpectations() {
        let kinds = Dictionary(grouping: self, by: \.kind)
        for index in indices {
            let alike = kinds[self[index].kind] ?? []
            guard alike.count > 2 else { continue }
            self[index].expectedOwn = Median.of(alike.map(\.own.relativeL2))
        }
    }
}

/// Gathers the errors of one stage, sample by sample.
struct StageAccumulator {
    private let module: String
    private let weights: [String]
    private let isSum: Bool
    private var visual = StageError.Accumulator()
    private var text = StageError.Accumulator()
    private var own = StageError.Accumulator()
    private var worst: StageDifference.Row?
    private var rows = 0

    init(module: String, weights: [String], isSum: Bool) {
        self.module = module
        self.weights = weights
        self.isSum = isSum
    }

    var isEmpty: Bool { rows == 0 }

    /// Adds a sample's rows.
    /// - Parameter isVisual: whether a row is one of a picture or video.
    mutating func add(
        sample: Int, base: UnsafeBufferPointer<Float>, other: UnsafeBufferPointer<Float>,
        own alone: UnsafeBufferPointer<Float>, columns: Int, isVisual: (Int) -> Bool
    ) {
        own.add(alone, reference: base, columns: columns)
        let count = base.count / max(1, columns)
        for row in 0..<count {
            let range = row * columns..<(row + 1) * columns
            let (a, b) = (
                UnsafeBufferPointer(rebasing: other[range]), UnsafeBufferPointer(rebasing: base[range])
            )
            let error =
                isVisual(row)
                ? visual.add(row: rows + row, a, reference: b) : text.add(row: rows + row, a, reference: b)
            if !(error <= worst?.relativeL2 ?? -1) {
                worst = StageDifference.Row(sample: sample, row: row, relativeL2: error)
            }
        }
        rows += count
    }

    func finish(_ name: String) -> StageDifference {
        StageDifference(
            name: name, module: module, weights: weights, isSum: isSum,
            accumulated: visual.merged(text).finish(name),
            own: own.finish(name),
            expectedOwn: nil, visual: visual.isEmpty ? nil : visual.finish(name),
            text: text.isEmpty ? nil : text.finish(name), worstRow: worst)
    }
}
