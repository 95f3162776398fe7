extension ChatTemplate {
    /// Qwen3-VL-Instruct's: no system message unless one is given, and the time before each frame of a video.
    ///
    /// Frames stand alone, as when the models were published. Later processors keep a video's own prefix and suffix around
    /// all of them; a template whose ``video`` has these writes that form.
    public static var qwen3VL: ChatTemplate {
        var template = ChatTemplate()
        template.defaultSystemMessage = nil
        template.videoFrame = FrameMarkup(
            timePrefix: "<", prefix: " seconds>" + template.video.prefix, suffix: template.video.suffix)
        (template.video.prefix, template.video.suffix) = ("", "")
        return template
    }

    /// Qwen3-VL-Thinking's: the model is made to reason, and forgets what it reasoned before the last question.
    public static var qwen3VLThinking: ChatTemplate {
        var template = qwen3VL
        template.generationPrompt += "<think>\n"
        template.reasoning = Reasoning(start: "<think>", end: "</think>")
        return template
    }
}
