public import Storage

/// Which frames of a video a model looks at: data, since it differs between generations.
public struct FrameSampling: Equatable, Sendable {
    /// Where the frames that are taken lie.
    public enum Spacing: String, Equatable, Sendable {
        /// At the start of as many equal parts of the video.
        case floor
        /// From the first frame to the last, both included, at the nearest whole numbers.
        case linspace
    }

    /// Frames to take of a second.
    public var fps = 2.0
    /// How many frames to take of every video, whatever ``fps`` says; nil to go by the clock.
    public var fixedCount: Int?
    /// The fewest frames to take, where the video has them.
    public var minimumFrames = 4
    /// The most frames to take.
    public var maximumFrames = 768
    /// Whether the number of frames is made even by leaving one out.
    public var even = true
    /// Where they lie.
    public var spacing = Spacing.floor

    /// What is a rate at all, in frames a second.
    public static let rates = 1e-6...1e6
    /// The frame rate that is taken for one that is not known.
    public static let assumedRate = 24.0

    /// Qwen2-VL's and Qwen2.5-VL's.
    public init() {}

    /// Qwen3-VL's.
    public static var qwen3VL: FrameSampling {
        var sampling = FrameSampling()
        sampling.even = false
        sampling.spacing = .linspace
        return sampling
    }

    /// The frames to take of a video of `total` frames at `rate` frames a second.
    /// - Parameter rate: nil where it is not known.
    /// - Throws: `badInput` when there are no frames, or the rate is none.
    public func frames(of total: Int, rate: Double?) throws(Failure) -> FrameSelection {
        let rate = rate ?? FrameSampling.assumedRate
        try check()
        try FrameSampling.check(total, rate)
        let count = fixedCount.map { exactly($0, of: total) } ?? byTheClock(total, rate)
        let indices = (0..<count).map { index in
            switch spacing {
            // In whole numbers: a step in floats falls short of some frames.
            case .floor: index * total / count
            case .linspace: FrameSampling.point(index, of: count, upTo: total - 1)
            }
        }
        return FrameSelection(indices: indices, total: total, rate: rate)
    }

    /// How many frames the rate asks for.
    private func byTheClock(_ total: Int, _ rate: Double) -> Int {
        let most = even ? min(maximumFrames, total) / 2 * 2 : maximumFrames
        // Clamped before it becomes an integer, so that no rate can be too large for one.
        let wanted = min(max(Double(total) / rate * fps, Double(minimumFrames)), Double(min(most, total)))
        return max(1, even ? Int(wanted) / 2 * 2 : Int(wanted))
    }

    /// How many frames a fixed number asks for. Where pairs are taken it is rounded to an even one, as Python rounds, and
    /// a shorter video gives what it has (the reference refuses it); otherwise frames are repeated.
    private func exactly(_ wanted: Int, of total: Int) -> Int {
        guard even else { return wanted }
        let pairs = Int((Double(wanted) / 2).rounded(.toNearestOrEven))
        return max(1, min(2 * pairs, total / 2 * 2))
    }

    /// All frames of a video that somebody sampled already at `rate`, or evenly as many of them as are allowed.
    /// - Throws: `badInput` when there are no frames, or the rate is none.
    public func frames(ofSampled total: Int, rate: Double) throws(Failure) -> FrameSelection {
        try FrameSampling.check(total, rate)
        guard total > maximumFrames else {
            return FrameSelection(indices: Array(0..<total), total: total, rate: rate)
        }
        var sampling = self
        (sampling.fps, sampling.fixedCount) = (rate, nil)
        return try sampling.frames(of: total, rate: rate)
    }

    private static func check(_ total: Int, _ rate: Double) throws(Failure) {
        guard total > 0, total <= 1 << 32 else { throw .badInput("has \(total) frames") }
        guard rates.contains(rate) else { throw .badInput("has \(rate) frames a second") }
    }

    /// The point `index` of `count` from 0 to `last`, computed and rounded as numpy does.
    private static func point(_ index: Int, of count: Int, upTo last: Int) -> Int {
        guard index < count - 1 || count == 1 else { return last }
        let step = Double(last) / Double(max(1, count - 1))
        return Int((Double(index) * step).rounded(.toNearestOrEven))
    }
}

/// Frames taken of a video.
public struct FrameSelection: Equatable, Sendable {
    /// Their numbers, ascending.
    public let indices: [Int]
    /// The frames of the whole video.
    public let total: Int
    /// Frames of the whole video in a second.
    public let rate: Double

    /// A selection from its parts.
    public init(indices: [Int], total: Int, rate: Double) {
        self.indices = indices
        self.total = total
        self.rate = rate
    }

    /// Frames taken of a second.
    public var sampledRate: Double { Double(indices.count) / Double(total) * rate }

    /// Seconds from one temporal patch of `frames` frames to the next.
    public func secondsPerPatch(of frames: Int) -> Double { Double(frames) / sampledRate }

    /// The time of each temporal patch of `frames` frames, in seconds: the middle between its first and its last frame.
    /// The last frame is repeated to fill a patch.
    public func timestamps(every frames: Int) -> [Double] {
        stride(from: 0, to: indices.count, by: max(1, frames)).map { first in
            let last = indices[min(first + max(1, frames), indices.count) - 1]
            return (Double(indices[first]) / rate + Double(last) / rate) / 2
        }
    }
}

extension FrameSampling {
    /// The rule as it is stored in a bundle.
    var json: JSON {
        let rule = JSON.pairs([
            "fps": .double(fps), "min_frames": .int(minimumFrames), "max_frames": .int(maximumFrames),
            "even": .bool(even), "spacing": .string(spacing.rawValue),
        ])
        return fixedCount.map { rule.setting("fixed_frames", to: .int($0)) } ?? rule
    }

    /// Reads a rule back.
    /// - Throws: `badInput` when a member is missing, unknown or out of range.
    init(json: JSON) throws(Failure) {
        try json.requireOnly(["fps", "min_frames", "max_frames", "even", "spacing", "fixed_frames"])
        let isWhole = ["fps", "min_frames", "max_frames"].allSatisfy { json[$0] != nil }
        guard isWhole, let even = json["even"]?.bool,
            let spacing = json["spacing"]?.string.flatMap(Spacing.init(rawValue:))
        else { throw .badInput("has no known \"sampling\"") }
        self.even = even
        self.spacing = spacing
        if let count = json["fixed_frames"] { fixedCount = count.int ?? 0 }
        try read(json)
    }

    /// Takes what a published file states.
    mutating func read(_ settings: SettingsReader) throws(Failure) {
        for key in ["num_frames", "fps", "min_frames", "max_frames"] { _ = settings.stated(key) }
        try read(settings.json)
    }

    /// Takes what a bundle states.
    /// - Throws: `badInput` when a member is out of range, or both a rate and a number of frames are stated: the reference
    ///   takes one of them.
    mutating func read(_ json: JSON) throws(Failure) {
        if let value = json["num_frames"] {
            guard json["fps"] == nil else {
                throw .badInput(
                    "\"num_frames\" and \"fps\" are both stated, of which one can be followed",
                    remedy: "set one of them to null")
            }
            fixedCount = value.int ?? 0
        }
        if let value = json["fps"] {
            guard let fps = value.double else { throw .badInput("\"fps\" is no number") }
            self.fps = fps
        }
        if let value = json["min_frames"] { minimumFrames = value.int ?? 0 }
        if let value = json["max_frames"] { maximumFrames = value.int ?? 0 }
        try check()
    }

    /// Whether the settings make sense together.
    /// - Throws: `badInput` when they do not.
    public func check() throws(Failure) {
        guard fps > 0, fps <= 1e4 else { throw .badInput("\(fps) frames a second are out of range") }
        guard minimumFrames > 0, minimumFrames <= maximumFrames, maximumFrames <= 1 << 12 else {
            throw .badInput("\(minimumFrames) to \(maximumFrames) frames are out of range")
        }
        guard (1...1 << 12).contains(fixedCount ?? 1) else {
            throw .badInput("\(fixedCount ?? 0) frames of a video are out of range")
        }
    }
}
