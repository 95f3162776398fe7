public import Storage

/// How positions for rotary embedding are given to tokens: data, since it differs between generations.
public struct PositionRule: Equatable, Sendable {
    /// How the tokens of a picture or video count.
    public enum Kind: Equatable, Sendable {
        /// On three axes: the frame (temporal patch) f itself, the row, the column (Qwen2-VL).
        case frame
        /// On three axes, with ⌊f · (perSecond · seconds between frames)⌋ for the time, in float32 as the reference
        /// multiplies, cut off once (Qwen2.5-VL).
        case seconds(perSecond: Double)
        /// On three axes; each frame of a video is a run of its own at time 0, since text stands between (Qwen3-VL).
        case separateFrames
        /// As text does, on one axis (Qwen-VL).
        case sequential
    }

    /// How they count.
    public var kind: Kind
    /// Patches per token along each side.
    public var mergeSize: Int

    /// A rule from its parts.
    public init(_ kind: Kind, mergeSize: Int) {
        self.kind = kind
        self.mergeSize = mergeSize
    }

    /// Qwen2-VL's.
    public static let qwen2VL = PositionRule(.frame, mergeSize: 2)

    /// Position rows that the decoder takes.
    public var axes: Int { kind == .sequential ? 1 : 3 }

    /// The grids that a picture or video of `grid` leaves in a prompt, each as one run of placeholders.
    public func runs(of grid: PatchGrid, _ medium: PromptPiece.Medium) -> [PatchGrid] {
        guard kind == .separateFrames, medium == .video, grid.patches != nil else { return [grid] }
        return Array(repeating: PatchGrid(t: 1, h: grid.h, w: grid.w), count: grid.t)
    }

    /// The most seconds that may lie between two frames: a day.
    static let longestStep = 86400.0

    /// Refuses seconds between frames that are no time.
    /// - Throws: `badInput`.
    static func check(secondsPerFrame seconds: Double) throws(Failure) {
        guard seconds >= 0, seconds <= longestStep else {
            throw .badInput(
                "\(seconds) seconds from frame to frame are not between 0 and \(Int(longestStep))")
        }
    }

    /// The position in time of frame `frame`, from the first frame's.
    /// - Throws: `badInput` for numbers that are no time, `limit` when it is too far away to be counted.
    func time(of frame: Int, secondsPerFrame: Double) throws(Failure) -> Int32 {
        let time: Double
        switch kind {
        case .frame: time = Double(frame)
        case .seconds(let perSecond):
            try PositionRule.check(secondsPerFrame: secondsPerFrame)
            time = Double(Float(frame) * (Float(perSecond) * Float(secondsPerFrame)))
        case .separateFrames, .sequential: time = 0
        }
        guard !(time > Double(Positions.last)) else { throw Positions.tooFar }
        guard let position = Int32(exactly: time.rounded(.down)), position >= 0 else {
            throw .badInput("a frame at \(time) has no position")
        }
        return position
    }

    private var name: String {
        switch kind {
        case .frame: "frame"
        case .seconds: "seconds"
        case .separateFrames: "separate_frames"
        case .sequential: "sequential"
        }
    }

    /// The rule as it is stored in a bundle.
    public var json: JSON {
        var pairs: [(String, JSON)] = [("time", .string(name)), ("merge_size", .int(mergeSize))]
        if case .seconds(let perSecond) = kind { pairs.append(("positions_per_second", .double(perSecond))) }
        return .object(pairs.map { JSON.Member($0.0, $0.1) })
    }

    /// Reads a rule back.
    ///
    /// - Throws: `badInput` when a member is missing or unknown.
    public init(json: JSON) throws(Failure) {
        let isTimed = json["time"] == "seconds"
        try json.requireOnly(["time", "merge_size"] + (isTimed ? ["positions_per_second"] : []))
        switch json["time"]?.string {
        case "frame": kind = .frame
        case "separate_frames": kind = .separateFrames
        case "sequential": kind = .sequential
        case "seconds":
            guard let rate = json["positions_per_second"]?.double, rate > 0, rate <= 1e6 else {
                throw .badInput("position rule has no \"positions_per_second\"")
            }
            kind = .seconds(perSecond: rate)
        default: throw .badInput("position rule has no known \"time\"")
        }
        guard let mergeSize = json["merge_size"]?.int, (1...64).contains(mergeSize) else {
            throw .badInput("position rule has no \"merge_size\"")
        }
        self.mergeSize = mergeSize
    }
}
