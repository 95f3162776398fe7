import Prompts
import SampleSets
import Storage
import Tessera

extension PreparedSet {
    /// The set but for its patches.
    var json: JSON {
        .array(
            samples.map { sample in
                .pairs([
                    "tokens": .array(sample.tokens.map { .int(Int($0)) }),
                    "visuals": .array(visuals[sample.visuals].map(\.json)),
                    "answers": .array(
                        sample.answers.map { .array([.int($0.lowerBound), .int($0.upperBound)]) }),
                ])
            })
    }

    /// Reads what `json` writes.
    init(json: JSON?, _ settings: PromptSettings) throws(Failure) {
        self.init(settings)
        guard let samples = json?.array, !samples.isEmpty else { throw .badInput("has no samples") }
        for sample in samples {
            guard let tokens = sample["tokens"]?.ints, let list = sample["visuals"]?.array,
                tokens.allSatisfy({ (0...Int(Int32.max)).contains($0) })
            else { throw .badInput("has a sample without tokens") }
            var visuals: [Visual] = []
            for element in list {
                guard let visual = Visual(element) else { throw .badInput("has a picture of no extents") }
                visuals.append(visual)
            }
            try add(tokens.map { Int32($0) }, visuals, answers: try Self.answers(sample["answers"]))
        }
    }

    /// Files that were written before answers were told apart have none.
    private static func answers(_ json: JSON?) throws(Failure) -> [Range<Int>] {
        guard let json else { return [] }
        let spans = json.array?.map { (span) -> Range<Int>? in
            guard let ends = span.ints, ends.count == 2, ends[0] < ends[1] else { return nil }
            return ends[0]..<ends[1]
        }
        guard let spans, !spans.contains(nil) else { throw .badInput("has a sample with answers nowhere") }
        return spans.compactMap { $0 }
    }
}

extension PreparedSet.Visual {
    fileprivate var json: JSON {
        PreparedPrompt.Visual(
            medium, Patches(values: [], grid: grid), secondsPerFrame: secondsPerFrame, timestamps: timestamps
        ).json
    }

    fileprivate init?(_ json: JSON) {
        guard let visual = PreparedPrompt.Visual(json: json) else { return nil }
        self.init(
            visual.medium, visual.patches.grid, secondsPerFrame: visual.secondsPerFrame,
            timestamps: visual.timestamps)
    }
}
