public import Storage

extension ChatTemplate {
    /// The template as it is stored in a bundle and in `formats/chat-templates.json`.
    public var json: JSON {
        .pairs([
            "default_system_message": defaultSystemMessage.map(JSON.string) ?? .null,
            "turn_start": .string(turnStart),
            "roles": .bool(writesRoles),
            "role_end": .string(roleEnd),
            "content_apart": .bool(separatesContent),
            "turn_end": .string(turnEnd),
            "generation_prompt": .string(generationPrompt),
            "numbered_in_message": .bool(numbersInMessage),
            "image": image.json,
            "video": video == .none ? .null : video.json,
            "video_frame": videoFrame?.json ?? .null,
            "reasoning": reasoning?.json ?? .null,
        ])
    }

    /// Reads a template back.
    ///
    /// - Throws: `badInput` naming the member that is missing or of the wrong type.
    public init(json: JSON) throws(Failure) {
        defaultSystemMessage = json["default_system_message"]?.string
        turnStart = try json.text("turn_start")
        writesRoles = json["roles"]?.bool ?? true
        roleEnd = try json.text("role_end")
        separatesContent = json["content_apart"]?.bool ?? false
        turnEnd = try json.text("turn_end")
        generationPrompt = try json.text("generation_prompt")
        numbersInMessage = json["numbered_in_message"]?.bool ?? false
        image = try Markup(json: json["image"] ?? .null)
        video = json["video"] == nil ? .none : try Markup(json: json["video"] ?? .null)
        if let json = json["video_frame"] { videoFrame = try FrameMarkup(json: json) }
        if let json = json["reasoning"] { reasoning = try Reasoning(json: json) }
    }
}

extension ChatTemplate.Markup {
    fileprivate var json: JSON {
        .pairs([
            "prefix": .string(prefix), "placeholder": .string(placeholder), "suffix": .string(suffix),
            "label": .string(label),
        ])
    }

    fileprivate init(json: JSON) throws(Failure) {
        prefix = try json.text("prefix")
        placeholder = try json.text("placeholder")
        suffix = try json.text("suffix")
        label = try json.text("label")
    }
}

extension ChatTemplate.FrameMarkup {
    fileprivate var json: JSON {
        .pairs([
            "time_prefix": .string(timePrefix), "prefix": .string(prefix), "suffix": .string(suffix),
        ])
    }

    fileprivate init(json: JSON) throws(Failure) {
        timePrefix = try json.text("time_prefix")
        prefix = try json.text("prefix")
        suffix = try json.text("suffix")
    }
}

extension ChatTemplate.Reasoning {
    fileprivate var json: JSON { .pairs(["start": .string(start), "end": .string(end)]) }

    fileprivate init(json: JSON) throws(Failure) {
        start = try json.text("start")
        end = try json.text("end")
        guard !start.isEmpty, !end.isEmpty else {
            throw .badInput("chat template has an empty \"reasoning\"")
        }
    }
}

extension JSON {
    fileprivate func text(_ key: String) throws(Failure) -> String {
        guard let text = self[key]?.string else { throw .badInput("chat template has no \"\(key)\"") }
        return text
    }
}
