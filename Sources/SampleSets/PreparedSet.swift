package import GraphIR
public import Prompts
public import Storage
import Tessera

/// A calibration set as a model takes it: tokens, and the patches of pictures and videos.
public struct PreparedSet {
    /// A picture or video, but for its patches.
    public struct Visual {
        /// Whether it is a picture or a video.
        public let medium: PromptPiece.Medium
        /// How many patches it has.
        public let grid: PatchGrid
        /// Of a video: from one temporal patch to the next.
        public let secondsPerFrame: Double
        /// Of a video whose times are written out: those of its temporal patches, in seconds.
        public let timestamps: [Double]

        /// A visual from its parts.
        public init(
            _ medium: PromptPiece.Medium, _ grid: PatchGrid, secondsPerFrame: Double = 1,
            timestamps: [Double] = []
        ) {
            self.medium = medium
            self.grid = grid
            self.secondsPerFrame = secondsPerFrame
            self.timestamps = timestamps
        }
    }

    /// A sequence.
    public struct Sample {
        /// Token ids, placeholders included.
        public let tokens: [Int32]
        /// Where each token stands, axis after axis.
        package let positions: [Int32]
        /// The numbers of the placeholder tokens.
        public let visualRows: [Int32]
        /// Which tokens are the model's own answers, ascending; empty where there are none, or nothing is known of them.
        public let answers: [Range<Int>]
        /// Its visuals among those of the set.
        package let visuals: Range<Int>

        /// The tokens from which another token of text is foretold: not those before a placeholder, and not the last.
        package var textRows: [Int] {
            var isText = Array(repeating: true, count: tokens.count)
            for row in visualRows { isText[Int(row)] = false }
            return (0..<max(0, tokens.count - 1)).filter { isText[$0 + 1] }
        }
    }

    /// In the order in which they run.
    public private(set) var samples: [Sample] = []
    /// Of all samples, in order.
    public private(set) var visuals: [Visual] = []
    private let settings: PromptSettings

    /// An empty set for a model.
    public init(_ settings: PromptSettings) { self.settings = settings }

    /// Adds a sequence with its visuals.
    /// - Parameter answers: which tokens are the model's own answers, ascending.
    /// - Throws: `badInput` when placeholders and visuals do not fit, or answers lie outside of the tokens.
    public mutating func add(
        _ tokens: [Int32], _ visuals: [Visual], answers: [Range<Int>] = []
    ) throws(Failure) {
        var last = 0
        for answer in answers {
            guard answer.lowerBound >= last, !answer.isEmpty, answer.upperBound <= tokens.count else {
                throw .badInput("has answers outside of its \(tokens.count) tokens")
            }
            last = answer.upperBound
        }
        let prompt = try PreparedPrompt(
            tokens: tokens,
            visuals: visuals.map {
                .init(
                    $0.medium, Patches(values: [], grid: $0.grid), secondsPerFrame: $0.secondsPerFrame,
                    timestamps: $0.timestamps)
            }, settings: settings)
        let first = self.visuals.count
        self.visuals += visuals
        samples.append(
            Sample(
                tokens: tokens, positions: prompt.positions.values, visualRows: prompt.visualRows,
                answers: answers, visuals: first..<self.visuals.count))
    }

    /// Adds a conversation, and the patches of its visuals to those of the set.
    package mutating func add(
        _ sample: ConversationSample, patches: SpooledPatches
    ) throws(Failure) {
        try add(
            sample.tokens,
            sample.visuals.map {
                .init(
                    $0.medium, $0.patches.grid, secondsPerFrame: $0.secondsPerFrame, timestamps: $0.timestamps
                )
            }, answers: sample.answers)
        for visual in sample.visuals { try patches.append(visual.patches.values) }
    }

    /// A place from 0 to 1 for each sample: however many are taken in this order, they are spread over the set, since
    /// multiples of the golden ratio visit a range evenly.
    package static func place(_ number: Int) -> Double {
        (Double(number) * 0.618_033_988_749_895).truncatingRemainder(dividingBy: 1)
    }

    /// Refuses tokens for which a model has no rows.
    package func check(for model: ModelGraph) throws(Failure) {
        let tables = model.graphs.flatMap(\.nodes).compactMap { node -> String? in
            if case .embedding(let embedding) = node.operation { embedding.use.weight } else { nil }
        }
        let rows =
            model.weights.filter { tables.contains($0.name) }.compactMap(\.shape.extents.first).min() ?? 0
        for sample in samples {
            if let token = sample.tokens.first(where: { $0 < 0 || Int($0) >= rows }) {
                throw .badInput("has the token \(token), of which the model has \(rows)")
            }
        }
    }

    /// Some of the samples, with their visuals, and the numbers that these have in the whole set.
    package func subset(_ numbers: [Int]) -> (set: PreparedSet, visuals: [Int]) {
        var part = PreparedSet(settings)
        var origins: [Int] = []
        for number in numbers {
            let sample = samples[number]
            let first = part.visuals.count
            part.visuals += visuals[sample.visuals]
            origins += sample.visuals
            part.samples.append(
                Sample(
                    tokens: sample.tokens, positions: sample.positions, visualRows: sample.visualRows,
                    answers: sample.answers, visuals: first..<part.visuals.count))
        }
        return (part, origins)
    }

    /// The set with no more than the first `count` tokens of each sample without visuals.
    /// - Parameter isCut: which of them may be cut.
    package func cuttingText(
        to count: Int, where isCut: (Sample) -> Bool = { _ in true }
    ) -> PreparedSet {
        var cut = self
        cut.samples = samples.map { sample in
            guard sample.visuals.isEmpty, sample.tokens.count > count, isCut(sample) else { return sample }
            let positions = stride(from: 0, to: sample.positions.count, by: sample.tokens.count)
            return Sample(
                tokens: Array(sample.tokens.prefix(count)),
                positions: positions.flatMap { sample.positions[$0..<$0 + count] }, visualRows: [],
                answers: sample.answers.filter { $0.upperBound <= count }, visuals: sample.visuals)
        }
        return cut
    }

    /// Tokens of all samples.
    public var tokenCount: Int { samples.reduce(0) { $0 + $1.tokens.count } }

    /// The tokens that a visual takes in a sample.
    package func tokenCount(of visual: Visual) -> Int { settings.images.tokens(of: visual.grid) ?? 0 }

    /// Whether the model sees all pictures at one size.
    package var resizesAlike: Bool { settings.images.fixedSide != nil }

    /// Elements of a patch.
    package var patchWidth: Int { settings.images.rowLength }

    /// Where the patches of a visual lie, and where its frames begin.
    package func coordinates(_ visual: Visual) -> PatchCoordinates {
        PatchCoordinates([visual.grid], mergeSize: settings.images.mergeSize)
    }
}
