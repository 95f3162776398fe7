import Prompts
public import Storage

extension PreparedPrompt.Visual {
    /// The visual without its values.
    public var json: JSON {
        .pairs([
            "medium": .string(medium.rawValue),
            "grid": .array([.int(patches.grid.t), .int(patches.grid.h), .int(patches.grid.w)]),
            "seconds_per_frame": .double(secondsPerFrame),
            "timestamps": .array(timestamps.map(JSON.double)),
        ])
    }

    /// Reads what `json` writes; nil for what has no extents or is no medium.
    public init?(json: JSON) {
        guard let grid = json["grid"]?.ints, grid.count == 3, let seconds = json["seconds_per_frame"]?.double,
            let medium = json["medium"]?.string.flatMap(PromptPiece.Medium.init),
            let times = json["timestamps"]?.array
        else { return nil }
        let timestamps = times.compactMap(\.double)
        let patches = Patches(values: [], grid: PatchGrid(t: grid[0], h: grid[1], w: grid[2]))
        guard patches.grid.patches ?? 0 > 0, timestamps.count == times.count else { return nil }
        self.init(medium, patches, secondsPerFrame: seconds, timestamps: timestamps)
    }

    /// What it is as a part of a message.
    func part(_ settings: PromptSettings) throws(Failure) -> Message.Part {
        let tokens = try settings.shape(medium, patches.grid).tokens
        return switch medium {
        case .image: .image(tokens: tokens)
        case .video: .video(tokens: tokens, timestamps: timestamps)
        }
    }
}
