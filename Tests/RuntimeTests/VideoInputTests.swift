import Bundles
import Foundation
import Runtime
import Storage
import TestSupport
import Testing

@testable import Prompts
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

    @Test func fractions() {
        #expect(VideoTimes.fraction("30000/1001").map { $0.numerator / $0.denominator } == 30000.0 / 1001)
        for text in ["0/0", "25/0", "", "25", "a/b", "-1/2", "1/2/3", "inf/1", "nan/1"] {
            #expect(VideoTimes.fraction(Substring(text)) == nil, "\(text)")
        }
    }

    private func rate(_ lines: String...) -> Double? {
        var times = VideoTimes()
        for line in lines { times.read(Array(line.utf8)) }
        return times.rate
    }

    /// From the first start to the last end, in any order; what an edit list discards counts as little as what has no time.
    @Test func ratesComeFromTheFrames() {
        let stream = "stream|r_frame_rate=30/1|avg_frame_rate=24/1|time_base=1/10|nb_read_frames=4"
        #expect(
            rate(
                "packet|pts=25|dts=5|duration=5|flags=K__", "packet|pts=-9|dts=-9|duration=5|flags=KD_",
                "packet|pts=10|dts=10|duration=N/A|flags=___", "packet|pts=N/A|dts=12|duration=90|flags=_D_",
                "packet|pts=N/A|dts=20|duration=2|flags=___", "", "nonsense", "packet|pts", stream) == 2)
        #expect(rate(stream) == 30)
        #expect(rate("packet|pts=5|dts=5|duration=0|flags=K__", stream) == 30)
        #expect(rate("packet|pts=\(Int.max)|duration=9|flags=K__", stream) == 30)
        #expect(
            rate("packet|pts=\(Int.min)|duration=9|flags=K__", "packet|pts=\(Int.max)|flags=_", stream) == 30)
        #expect(rate("stream|r_frame_rate=0/0|avg_frame_rate=0/0|nb_read_frames=1") == nil)
        #expect(rate("stream|r_frame_rate=0/0|avg_frame_rate=25/1|nb_read_frames=1") == 25)
    }

    private static let hasPrograms = ["ffmpeg", "ffprobe"].allSatisfy { program in
        ["/usr/bin", "/usr/local/bin"].contains { Path.exists("\($0)/\(program)") }
    }

    /// Uneven videos as recorders write them: frames, rate, seconds and times are the reference's.
    @Test(.enabled(if: hasPrograms, "ffmpeg is not installed"))
    func unevenVideosEqualReference() throws {
        let videos = try #require(try Fixtures.json("videos/expected.json")["videos"]?.members)
        #expect(videos.count == 6)
        for video in videos {
            let source = try VideoSource(Fixtures.path("videos/\(video.key)"))
            for (name, sampling) in [("qwen2-vl", FrameSampling()), ("qwen3-vl", .qwen3VL)] {
                let expected = try #require(video.value[name])
                let selection = try source.selection(sampling)
                #expect(selection.indices == expected["frame_indices"]?.ints, "\(video.key) \(name)")
                #expect(selection.total == expected["total_frames"]?.int)
                let rate = try #require(expected["frames_a_second"]?.double)
                #expect(abs(selection.rate / rate - 1) < 1e-9, "\(video.key): \(selection.rate)")
                if let seconds = expected["second_per_grid"]?.double {
                    #expect(selection.secondsPerPatch(of: 2) == seconds, "\(video.key)")
                    let rule = PositionRule(.seconds(perSecond: 2), mergeSize: 2)
                    let times = try (0..<(selection.indices.count / 2)).map {
                        try Int(rule.time(of: $0, secondsPerFrame: seconds))
                    }
                    #expect(times == expected["temporal_ids_at_2_a_second"]?.ints, "\(video.key)")
                }
                if let times = expected["timestamps"]?.strings {
                    let written = selection.timestamps(every: 2).map { String(format: "%.1f", $0) }
                    #expect(written == times, "\(video.key)")
                }
            }
        }
    }

    /// A frame alone fills its patch; a picture is no video, and says so.
    @Test(.enabled(if: hasPrograms, "ffmpeg is not installed"))
    func singleFrames() throws {
        let model = try Model(Bundled.demo.get())
        var plans: [Model.VideoPlan] = []
        let video = try model.video(Fixtures.path("videos/n1.mp4")) { plans.append($0) }
        #expect(video.patches.grid == PatchGrid(t: 1, h: 4, w: 6))
        #expect(plans.map(\.selection.indices) == [[0]])
        for name in [
            "grey.jpg", "rgba.png", "alpha.webp", "grey.gif", "rgb555.bmp", "grey.tiff", "grey.avif",
            "turned.heic",
        ] {
            let refusal = #expect(throws: Failure.self, "\(name)") {
                _ = try model.video(Fixtures.path("pictures/\(name)"))
            }
            #expect(refusal?.message == "is a picture, not a video" && refusal?.kind == .badInput, "\(name)")
        }
        // A sound with a cover: ffmpeg takes the picture for a stream of video.
        let cover = #expect(throws: Failure.self) { _ = try model.video(Fixtures.path("videos/cover.mp3")) }
        #expect(cover?.message == "has no video stream" && cover?.kind == .badInput)
    }

    /// Where a checkpoint limits each frame alone, `qwen-vl-utils`' bound goes beside its limits unless told otherwise.
    @Test func pixelsAreBounded() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("large.tessera")
        _ = try makeBundle(Fixtures.path("demo-qwen2-vl"), nil, at: path) { metadata in
            var metadata = metadata
            if let prompt = metadata["prompt"], let videos = prompt["video_processing"],
                let frames = videos["frames"]
            {
                let large = frames.setting("max_pixels", to: .int(12_845_056))
                metadata = metadata.setting(
                    "prompt", to: prompt.setting("video_processing", to: videos.setting("frames", to: large)))
            }
            let general = metadata["general"] ?? .null
            return metadata.setting("general", to: general.setting("context_length", to: .int(100_000)))
        }
        let model = try Model(path)
        func plan(_ options: Model.VideoOptions = .init()) throws -> [Int?] {
            let plan = try model.plan(frames: 20, of: ImageSize(width: 1920, height: 1080), options)
            return [plan.frames.tokens, plan.unboundedTokens]
        }
        #expect(try plan() == [7200, 26910])
        #expect(try plan(.init(maximumPixels: PixelBound.unlimited)) == [26910, 26910])
        #expect(try plan(.init(maximumPixels: 28 * 28 * 16)) == [150, 26910])
        // A tenth of it for each of twenty frames, since two share their tokens, but no less than 105369 pixels.
        #expect(try plan(.init(maximumVideoPixels: 2_000_000)) == [10 * 11 * 21, 26910])
        #expect(try plan(.init(maximumVideoPixels: 1)) == [10 * 8 * 15, 26910])
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
        let odd = refusal(folder.path)
        // Which of two is the odd one nobody knows; it is the first after a change.
        #expect(odd?.file == folder.file("frame7.png"))
        #expect(
            odd?.message.hasPrefix("a video needs frames of one size; here are ") == true
                && odd?.message.contains("before were 8×8") == true)
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
