import Bundles
import Prompts
import Runtime
import Storage
import TestSupport
import Testing

@testable import Tessera

@Suite struct VideoInputTests {
    @Test func framesAreInTheOrderOfTheirNumbers() {
        let names = [
            "f10.png", "f9.png", "f2b.png", "f2a10.png", "f2a9.png", "g1.png", "f002.png", "f.png", "1.png",
        ]
        let sorted = names.sorted(by: FrameFolder.isBefore)
        #expect(
            sorted == [
                "1.png", "f002.png", "f2a9.png", "f2a10.png", "f2b.png", "f9.png", "f10.png", "f.png",
                "g1.png",
            ])
        for (a, b) in zip(sorted, sorted.dropFirst()) { #expect(!FrameFolder.isBefore(b, a)) }
        let long = String(repeating: "9", count: 1000)
        #expect(FrameFolder.isBefore(long, long + "9"))
        #expect(FrameFolder.isBefore("a01", "a1") != FrameFolder.isBefore("a1", "a01"))
    }

    @Test func rates() {
        #expect(VideoFile.rate("30000/1001") == 30000.0 / 1001)
        for text in ["0/0", "25/0", "", "25", "a/b", "-1/2", "1/2/3", "inf/1", "nan/1"] {
            #expect(VideoFile.rate(text) == nil, "\(text)")
        }
    }

    /// What is given to `ffmpeg` stays within the depth and length that it and the system allow.
    @Test func choicesStayFlat() {
        #expect(VideoFile.choice([7]) == #"eq(n\,7)"#)
        let choice = VideoFile.choice((0..<4096).map { 10_000_000 + $0 * 1000 }[...])
        var (depth, deepest) = (0, 0)
        for character in choice.utf8 {
            depth += character == UInt8(ascii: "(") ? 1 : character == UInt8(ascii: ")") ? -1 : 0
            deepest = max(deepest, depth)
        }
        #expect(deepest < 20 && depth == 0)
        #expect(choice.utf8.count < 128 << 10)
    }

    /// Five frames of the fixtures under names whose order is not that of the alphabet.
    private func folder() throws -> TemporaryDirectory {
        let folder = try TemporaryDirectory()
        for index in 0..<5 {
            try putFile(
                folder.file("frame\(index + 7).png"),
                try readFile(Fixtures.path("preprocessing/v_48x200_5_0\(index).png")))
        }
        try putFile(folder.file("notes.txt"), [7])
        return folder
    }

    @Test func aFolderIsAVideo() throws {
        let model = try Model(Bundled.demo.get())
        let folder = try folder()
        let video = try model.video(folder.path)
        let pictures = try (0..<5).map {
            try ImageDecoder().decode(file: Fixtures.path("preprocessing/v_48x200_5_0\($0).png"))
        }
        #expect(video.patches == (try model.prompt.videos?.patches(pictures)))
        #expect(video.timestamps == [0.25, 1.25, 2])
        #expect(video.secondsPerFrame == 1)
        #expect(try model.video(folder.path, .init(fps: 4)).timestamps == [0.125, 0.625, 1])
        #expect(try model.video(folder.path, .init(maximumFrames: 2)).patches.grid.t == 1)
        let session = try Session(model, capacity: 512)
        let prompt = try session.prepare([.video(video), .text("What is it?")])
        #expect(
            prompt.visuals.count == 1 && prompt.visualRows.count == video.patches.grid.patches.map { $0 / 4 })
    }

    @Test func badVideosAreRefused() throws {
        let model = try Model(Bundled.demo.get())
        let empty = try TemporaryDirectory()
        func refusal(_ path: String, _ options: Model.VideoOptions = .init()) -> Failure? {
            do {
                _ = try model.video(path, options)
                return nil
            } catch { return error }
        }
        #expect(refusal(empty.path)?.kind == .badInput)
        #expect(refusal(empty.file("none.mp4"))?.kind == .io)
        let folder = try folder()
        for options in [Model.VideoOptions(fps: 0), .init(fps: .nan), .init(maximumFrames: 0)] {
            #expect(refusal(folder.path, options)?.kind == .usage)
        }
        try putFile(folder.file("frame1.png"), [1, 2, 3])
        #expect(refusal(folder.path)?.file == folder.file("frame1.png"))
        try putFile(folder.file("frame1.png"), try readFile(Fixtures.path("preprocessing/tiny_8x8.png")))
        #expect(refusal(folder.path)?.message == "a video needs frames of one size")
    }

    /// A model that reasons reads the next question as if it had not reasoned before.
    @Test func oldReasoningLeavesTheCache() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("thinking.tessera")
        let thinking = try ChatTemplate(named: "qwen3-vl-thinking", .given(name: "test"))
        _ = try makeBundle(Fixtures.path("demo-qwen2-vl"), nil, at: path) { metadata in
            let prompt = metadata["prompt"] ?? .null
            return metadata.setting(
                "prompt", to: prompt.setting("chat_template", to: thinking.json))
        }
        let model = try Model(path)
        let options = Session.Options(sampling: .init(), maximumTokens: 6)
        let session = try Session(model, capacity: 512)
        let first = try session.answer([.text("Describe the picture.")], options: options)
        let second = try session.answer([.text("Which color?")], options: options)
        let whole = try model.prompt.write(
            Conversation([
                Message(role: "user", text: "Describe the picture."),
                Message(role: "assistant", text: first.text),
                Message(role: "user", text: "Which color?"),
            ]), model.requireTokenizer())
        let prompt = try PreparedPrompt(
            tokens: model.requireTokenizer().encode(whole.pieces), visuals: [], settings: model.prompt)
        let fresh = try Session(model, capacity: 512)
        #expect(try fresh.answer(prompt, options: options).tokens == second.tokens)
        #expect(fresh.context.cache.count == session.context.cache.count)
    }
}
