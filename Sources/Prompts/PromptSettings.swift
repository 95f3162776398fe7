public import Storage

/// Everything about a model's prompts that is not in its graph: data that a converter writes and a runtime interprets.
public struct PromptSettings: Equatable, Sendable {
    /// How a model gives places in a picture.
    public enum Coordinates: String, Equatable, Sendable {
        /// Thousandths of the picture's width and height.
        case thousandths
        /// Pixels of the picture as it was resized for the model.
        case resizedPixels = "resized_pixels"
    }

    /// How a conversation becomes tokens.
    public var template: ChatTemplate
    /// How each frame of a video is written where a template puts the video's placeholder; nil where all placeholders of
    /// a video stand in one run.
    public var videoFrame: FrameMarkup?
    /// How pictures become patches.
    public var images: ImagePreprocessor
    /// How videos become patches; nil for models that take none.
    public var videos: VideoPreprocessor?
    /// How tokens get their positions.
    public var positions: PositionRule
    /// The placeholders whose embeddings are replaced by rows of pictures and of videos.
    public var imageToken: Int32
    /// The placeholder of videos; nil for models that take none.
    public var videoToken: Int32?
    /// Tokens that end an answer.
    public var stopTokens: [Int32]
    /// How places in pictures are given.
    public var coordinates: Coordinates

    /// Settings from their parts.
    public init(
        template: ChatTemplate, videoFrame: FrameMarkup? = nil, images: ImagePreprocessor,
        videos: VideoPreprocessor? = nil,
        positions: PositionRule, imageToken: Int32, videoToken: Int32? = nil, stopTokens: [Int32],
        coordinates: Coordinates
    ) {
        self.template = template
        self.videoFrame = videoFrame
        self.images = images
        self.videos = videos
        self.positions = positions
        self.imageToken = imageToken
        self.videoToken = videoToken
        self.stopTokens = stopTokens
        self.coordinates = coordinates
    }

    /// The settings as they are stored in a bundle, under `prompt`.
    public var json: JSON {
        var members: [JSON.Member] = [
            .init("chat_template", template.json), .init("image_processing", images.json),
        ]
        if let videoFrame { members.append(.init("video_frame", videoFrame.json)) }
        if let videos { members.append(.init("video_processing", videos.json)) }
        members.append(.init("positions", positions.json))
        members.append(.init("image_token", .int(Int(imageToken))))
        if let videoToken { members.append(.init("video_token", .int(Int(videoToken)))) }
        members.append(.init("stop_tokens", .array(stopTokens.map { .int(Int($0)) })))
        members.append(.init("coordinates", .string(coordinates.rawValue)))
        return .object(members)
    }

    /// A picture or video of `grid` as a prompt takes it.
    /// - Parameter secondsPerFrame: from one temporal patch to the next.
    /// - Throws: `badInput` when its patches do not make whole tokens, or the seconds are no time.
    public func shape(
        _ medium: PromptPiece.Medium, _ grid: PatchGrid, secondsPerFrame: Double = 1
    ) throws(Failure) -> VisualShape {
        guard let tokens = images.tokens(of: grid), tokens > 0 else {
            throw .badInput("\(grid.t)×\(grid.h)×\(grid.w) patches make no whole tokens")
        }
        try PositionRule.check(secondsPerFrame: secondsPerFrame)
        return VisualShape(medium, grid: grid, tokens: tokens, secondsPerFrame: secondsPerFrame)
    }

    /// Reads settings back.
    /// - Throws: `badInput` when a member is missing, unknown or out of range, with its place.
    public init(json: JSON) throws(Failure) {
        try json.requireOnly(
            [
                "chat_template", "video_frame", "image_processing", "video_processing", "positions",
                "image_token", "video_token", "stop_tokens", "coordinates",
            ], at: "prompt")
        func token(_ key: String) throws(Failure) -> Int32 {
            guard let value = json[key]?.int.flatMap(Int32.init(exactly:)), value >= 0 else {
                throw .badInput("lacks the token '\(key)'", at: "prompt")
            }
            return value
        }
        func read<Part>(
            _ key: String, _ part: (JSON) throws(Failure) -> Part
        ) throws(Failure) -> Part {
            try json.read(key, of: "prompt", part)
        }
        template = try read("chat_template") { (json) throws(Failure) in try ChatTemplate(json: json) }
        if json["video_frame"] != nil {
            videoFrame = try read("video_frame") { (json) throws(Failure) in try FrameMarkup(json: json) }
        }
        images = try read("image_processing") { (json) throws(Failure) in try ImagePreprocessor(json: json) }
        if json["video_processing"] != nil {
            videos = try read("video_processing") { (json) throws(Failure) in
                try VideoPreprocessor(json: json)
            }
        }
        positions = try read("positions") { (json) throws(Failure) in try PositionRule(json: json) }
        imageToken = try token("image_token")
        videoToken = json["video_token"] == nil ? nil : try token("video_token")
        stopTokens = []
        guard let stops = json["stop_tokens"]?.array else {
            throw .badInput("is no list of tokens", at: "prompt.stop_tokens")
        }
        for stop in stops {
            guard let token = stop.int.flatMap(Int32.init(exactly:)), token >= 0 else {
                throw .badInput("\(stop.serialized()) is no token", at: "prompt.stop_tokens")
            }
            stopTokens.append(token)
        }
        guard let coordinates = json["coordinates"]?.string.flatMap(Coordinates.init(rawValue:)) else {
            throw .badInput("lacks a known 'coordinates'", at: "prompt")
        }
        self.coordinates = coordinates
    }
}

extension JSON {
    /// What `part` makes of a member; its errors are said to be there unless they say where.
    func read<Part>(
        _ key: String, of place: String, _ part: (JSON) throws(Failure) -> Part
    ) throws(Failure) -> Part {
        do { return try part(self[key] ?? .null) } catch {
            throw Failure(
                error.kind, error.message, at: error.place ?? "\(place).\(key)", remedy: error.remedy)
        }
    }
}
