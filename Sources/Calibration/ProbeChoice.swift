import Prompts
public import SampleSets
public import Storage

/// The samples of a set that answers are compared over: some of every kind that the set has, within a budget of tokens.
///
/// Kinds share ``budget`` evenly, but large pictures and videos, of which one alone may take more than such a share: each of these
/// two has as much for itself. Plain text, every row of which tells as much as the next, is cut to ``window`` and needs no more than
/// ``plainBudget``. Within its room a kind takes samples spread over the set, passing over what is too long; where all
/// are, it takes the shortest, up to ``ceiling``.
public struct ProbeChoice: Sendable {
    /// What a sample is, by the largest of its pictures.
    public enum Kind: String, CaseIterable, Sendable {
        /// Without pictures and videos.
        case text
        /// Pictures of up to 256 tokens.
        case smallPictures = "small pictures"
        /// Pictures of up to 1024 tokens.
        case middlePictures = "middle pictures"
        /// Larger pictures.
        case largePictures = "large pictures"
        /// With a video.
        case videos

        fileprivate init(_ sample: PreparedSet.Sample, of set: PreparedSet) {
            let visuals = set.visuals[sample.visuals]
            guard !visuals.contains(where: { $0.medium == .video }) else {
                self = .videos
                return
            }
            switch visuals.map({ set.tokenCount(of: $0) }).max() {
            case nil: self = .text
            case (...256)?: self = .smallPictures
            case (...1024)?: self = .middlePictures
            case _?: self = .largePictures
            }
        }

        /// What such samples have, for people.
        var noun: String { self == .text ? "text alone" : rawValue }

        fileprivate var isLarge: Bool { self == .largePictures || self == .videos }
    }

    /// Tokens of the samples of all kinds together but large pictures and videos, and of each of these two. A picture of 1280 × 960
    /// pixels takes 1564 tokens of Qwen2-VL, 1200 of Qwen3-VL.
    public static let budget = 2048
    /// Tokens of plain text at most: the rows of text without answers, which all count alike, are many.
    public static let plainBudget = 1024
    /// Of a sample of plain text so many tokens are run: what tells samples apart is what they are about, not their length.
    static let window = 256
    /// Tokens of a sample that stands alone for its kind, at most.
    public static let ceiling = 4096

    /// The numbers of the samples, ascending.
    public let samples: [Int]
    /// Tokens of all of them.
    public let tokens: Int
    /// How many there are of each kind that the set has, in the order of the kinds: 0 where all samples are too long.
    public let counts: [(kind: Kind, count: Int)]

    /// Chooses among the samples of a set.
    public init(_ set: PreparedSet) {
        // Where nothing could be compared, running it would say nothing.
        let comparable = set.samples.indices.filter { number in
            AnswerProbe.rows(of: set.samples[number]).contains { !$0.rows.isEmpty }
        }
        let kinds = Dictionary(grouping: comparable) { Kind(set.samples[$0], of: set) }
        let sharing = kinds.keys.count { !$0.isLarge }
        func tokens(_ number: Int) -> Int {
            let sample = set.samples[number]
            return Self.isPlain(sample) ? min(Self.window, sample.tokens.count) : sample.tokens.count
        }
        var chosen: [Int] = []
        var counts: [(Kind, Int)] = []
        for kind in Kind.allCases {
            guard let all = kinds[kind] else { continue }
            var room = kind.isLarge ? Self.budget : Self.budget / sharing
            if all.allSatisfy({ Self.isPlain(set.samples[$0]) }) { room = min(room, Self.plainBudget) }
            var own: [Int] = []
            for number in all.sorted(by: { PreparedSet.place($0) < PreparedSet.place($1) })
            where tokens(number) <= room {
                room -= tokens(number)
                own.append(number)
            }
            if own.isEmpty, let least = all.min(by: { tokens($0) < tokens($1) }),
                tokens(least) <= Self.ceiling
            {
                own = [least]
            }
            counts.append((kind, own.count))
            chosen += own
        }
        samples = chosen.sorted()
        self.tokens = chosen.reduce(0) { $0 + tokens($1) }
        self.counts = counts
    }

    /// Whether a sample is text of which nobody knows what is an answer.
    static func isPlain(_ sample: PreparedSet.Sample) -> Bool {
        sample.visuals.isEmpty && sample.answers.isEmpty
    }

    /// The kinds that the set has, none of whose samples is short enough.
    public var missing: [Kind] { counts.filter { $0.count == 0 }.map(\.kind) }

    /// For people: `probed 5 samples, 2680 tokens: text 2, small pictures 3, large pictures 0`.
    public var summary: String {
        let kinds = counts.map { "\($0.kind.rawValue) \($0.count)" }.joined(separator: ", ")
        return "probed \(samples.count) samples, \(tokens) tokens" + (kinds.isEmpty ? "" : ": \(kinds)")
    }

    /// As a calibration file keeps it.
    public var json: JSON {
        .pairs([
            "samples": .array(samples.map { .int($0) }), "tokens": .int(tokens),
            "kinds": .object(counts.map { JSON.Member($0.kind.rawValue, .int($0.count)) }),
        ])
    }
}
