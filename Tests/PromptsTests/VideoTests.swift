import Storage
import TestSupport
import Testing

@testable import Prompts

@Suite struct VideoTests {
    private var qwen3VL: VideoPreprocessor {
        var images = ImagePreprocessor()
        images.patchSize = 16
        images.mean = [0.5, 0.5, 0.5]
        images.standardDeviation = [0.5, 0.5, 0.5]
        return .qwen3VL(images: images)
    }

    /// Patch values equal those of the reference's processors, bit for bit.
    @Test func patchesEqualReference() throws {
        for entry in try Fixtures.json("preprocessing/videos.json").array ?? [] {
            let files = try #require(entry["files"]?.strings)
            let settings = entry["generation"] == "qwen3" ? qwen3VL : .qwen2VL()
            let patches = try settings.patches(
                files.map { try ImageDecoder().decode(file: Fixtures.path("preprocessing/\($0)")) })
            #expect([patches.grid.t, patches.grid.h, patches.grid.w] == entry["grid"]?.ints, "\(files)")
            #expect(try patches.values.digest() == entry["sha256"]?.string, "\(files)")
        }
    }

    @Test func smartResizeEqualsReference() throws {
        let table = try #require(
            try Fixtures.json("preprocessing/smart_resize.json")["qwen3_video_published"])
        let rows = try #require(table["rows_nframes_h_w_result"]?.array)
        #expect(rows.count > 300)
        for row in rows {
            guard let parts = row.array, parts.count == 4, let frames = parts[0].int,
                let height = parts[1].int, let width = parts[2].int
            else { continue }
            let resized = try? qwen3VL.smartResize(ImageSize(width: width, height: height), frames: frames)
            #expect(
                resized.map { [$0.height, $0.width] } == parts[3].ints, "\(frames) of \(height)×\(width)")
        }
    }

    @Test func framesEqualReference() throws {
        var utilities = FrameSampling()
        utilities.spacing = .linspace
        let rules = [("qwen2", FrameSampling()), ("qwen3", .qwen3VL), ("qwen_vl_utils", utilities)]
        var count = 0
        for entry in try Fixtures.json("preprocessing/frame_sampling.json").array ?? [] {
            let total = try #require(entry["total_num_frames"]?.int)
            let rate = try #require(entry["fps"]?.double)
            for (name, rule) in rules {
                for fps in [1, 2, 4] {
                    let key = "\(name)_fps\(fps)"
                    guard let expected = entry[key]?.ints else { continue }
                    var rule = rule
                    rule.fps = Double(fps)
                    let selection = try rule.frames(of: total, rate: rate)
                    #expect(selection.indices == expected, "\(key) \(total) \(rate)")
                    if let sampled = entry["\(key)_sample_fps"]?.double {
                        #expect(abs(selection.sampledRate / sampled - 1) < 1e-12, "\(key) \(total)")
                    }
                    if let times = entry["\(key)_timestamp_text"]?.strings {
                        let written = try texts(selection.timestamps(every: 2))
                        #expect(written == times, "\(key) \(total) \(rate)")
                    }
                    count += 1
                }
            }
            let seconds = try #require(entry["qwen2_5_second_per_grid_ts_fps2"]?.double)
            let selection = try utilities.frames(of: total, rate: rate)
            #expect(abs(selection.secondsPerPatch(of: 2) / seconds - 1) < 1e-12, "\(total) \(rate)")
        }
        #expect(count > 100)
    }

    /// Pairs of length and rate at which a step in floats falls short of a frame, or goes past the last one.
    @Test(
        arguments: [
            (294, 30, [0, 16, 32, 49, 65, 81, 98, 114, 130, 147, 163, 179, 196, 212, 228, 245, 261, 277]),
            (
                328, 30,
                [0, 16, 32, 49, 65, 82, 98, 114, 131, 147, 164, 180, 196, 213, 229, 246, 262, 278, 295, 311]
            ), (230, 30, [0, 16, 32, 49, 65, 82, 98, 115, 131, 147, 164, 180, 197, 213]),
            (61, 30000.0 / 1001, [0, 15, 30, 45]),
        ] as [(Int, Double, [Int])])
    func framesAreChosenInWholeNumbers(total: Int, rate: Double, frames: [Int]) throws {
        #expect(try FrameSampling().frames(of: total, rate: rate).indices == frames)
    }

    /// The reference multiplies in float32 and cuts once: 5 · (2 · 1.1) is 11 there, and less in float64.
    @Test(
        arguments: [
            (99, 10, [0, 2, 4, 6, 8, 11, 13, 15, 17]),
            (496, 24, [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 31, 33, 35, 37, 39]),
        ] as [(Int, Double, [Int32])])
    func timesAreMultipliedAsTheReferenceDoes(total: Int, rate: Double, times: [Int32]) throws {
        let selection = try FrameSampling().frames(of: total, rate: rate)
        let rule = PositionRule(.seconds(perSecond: 2), mergeSize: 2)
        let seconds = selection.secondsPerPatch(of: 2)
        #expect(
            try (0..<(selection.indices.count / 2)).map { try rule.time(of: $0, secondsPerFrame: seconds) }
                == times)
    }

    /// The reference's cap, of Qwen3-VL a frame's tokens and of Qwen2-VL those of the whole video.
    @Test func capsOfPixelsPerFrame() throws {
        let size = ImageSize(width: 1920, height: 1080)
        func grid(_ settings: VideoPreprocessor, _ count: Int) throws -> [Int] {
            let grid = try settings.plan(size, frames: count).grid
            return [grid.t, grid.h, grid.w]
        }
        var settings = qwen3VL
        #expect(try grid(settings, 20) == [10, 52, 92])
        settings.cap = 768
        #expect(try grid(settings, 20) == [10, 40, 72])
        #expect(try VideoPreprocessor(json: settings.json) == settings)
        var older = VideoPreprocessor.qwen2VL()
        #expect(try older.plan(size, frames: 20).tokens == 26910)
        older.cap = 128_000
        #expect(try older.plan(size, frames: 20).tokens == 26910)
        // 0.9 · 128000 · 784 · 2 / 768 = 235200 pixels a frame: sides of 363 and 646, in whole multiples of 28.
        #expect(try grid(older, 768) == [384, 24, 46])
        older.cap = nil
        older.bound = PixelBound(factor: 28)
        #expect(try older.plan(size, frames: 20).tokens == 7200)
        #expect(try grid(older, 768) == [384, 24, 46])
        #expect(older.json == VideoPreprocessor.qwen2VL().json)
        older.bound = PixelBound(frame: .max, video: .max, floor: .max)
        #expect(try older.plan(size, frames: 20).tokens == 26910)
        older.bound = PixelBound(frame: 1, video: .min, floor: 0)
        #expect(try older.plan(size, frames: 20).tokens == 10)
    }

    /// A number of frames that does not go by the clock.
    @Test func fixedNumbersOfFrames() throws {
        var sampling = FrameSampling()
        func taken(_ wanted: Int, _ total: Int) throws -> [Int] {
            sampling.fixedCount = wanted
            #expect(try FrameSampling(json: sampling.json) == sampling)
            return try sampling.frames(of: total, rate: 30).indices
        }
        // Rounded to even numbers as Python does: 5 / 2 to 2, 7 / 2 to 4.
        #expect(try taken(5, 100) == [0, 25, 50, 75])
        #expect(try taken(7, 80) == [0, 10, 20, 30, 40, 50, 60, 70])
        #expect(try taken(8, 5) == [0, 1, 2, 3] && taken(1, 9) == [0])
        sampling = .qwen3VL
        #expect(try taken(5, 101) == [0, 25, 50, 75, 100])
        #expect(try taken(8, 3) == [0, 0, 1, 1, 1, 1, 2, 2])
        #expect(try sampling.frames(ofSampled: 5000, rate: 2).indices.count == 768)
    }

    /// The times as a prompt shows them.
    private func texts(_ times: [Double]) throws -> [String] {
        let tokenizer = try Tokenizer(checkpoint: Fixtures.path("tokenizer"))
        let video = Message(role: "user", parts: [.video(tokens: times.count, timestamps: times)])
        let pieces = try PromptSettings.writing("qwen3-vl-instruct", tokenizer).pieces(
            Conversation([video]), tokenizer)
        let markup = pieces.compactMap { if case .markup(let text) = $0 { text } else { nil } }
        return markup.joined().matches(of: /<[0-9.]+ seconds>/).map { String($0.output) }
    }

    @Test func oddCasesOfSampling() throws {
        #expect(try FrameSampling().frames(of: 1, rate: 30).indices == [0])
        #expect(try FrameSampling.qwen3VL.frames(of: 1, rate: nil).indices == [0])
        #expect(try FrameSampling.qwen3VL.frames(of: 1, rate: nil).rate == 24)
        #expect(try FrameSampling().frames(of: 3, rate: 1e-6).indices == [0, 1])
        #expect(try FrameSampling().frames(of: 1 << 32, rate: 1e-6).indices.count == 768)
        // What was sampled already is taken whole, the odd frame with it.
        let sampled = try FrameSampling().frames(ofSampled: 7, rate: 2)
        #expect(sampled.indices == Array(0..<7))
        #expect(sampled.timestamps(every: 2) == [0.25, 1.25, 2.25, 3])
        #expect(sampled.secondsPerPatch(of: 2) == 1)
        #expect(try FrameSampling().frames(ofSampled: 10000, rate: 2).indices.count == 768)
        for (total, rate) in [(0, 1), (-1, 1), (4, 0), (4, -1), (4, Double.nan), (4, .infinity), (.max, 1)] {
            let refusal = failure { _ = try FrameSampling().frames(of: total, rate: rate) }
            #expect(refusal?.kind == .badInput, "\(total) \(rate)")
        }
    }

    @Test func hostileSizesAreRefused() throws {
        for side in [0, -1, Int.max] {
            let size = ImageSize(width: side, height: 3)
            #expect(failure { _ = try qwen3VL.smartResize(size, frames: 2) }?.kind == .badInput)
        }
        #expect(failure { _ = try qwen3VL.patches([]) }?.kind == .badInput)
        let (small, large) = (picture(32), picture(64))
        #expect(failure { _ = try qwen3VL.patches([small, large]) }?.kind == .badInput)
        let many = failure {
            let settings = VideoPreprocessor.qwen2VL()
            let plan = try settings.plan(ImageSize(width: 4000, height: 4000), frames: 500)
            _ = try PatchCutter(settings.frames, plan)
        }
        #expect(many?.kind == .limit)
        var cutter = try PatchCutter(qwen3VL.frames, qwen3VL.plan(small.size, frames: 1))
        for _ in 0..<2 { try cutter.append(small) }
        #expect(failure { try cutter.append(small) }?.kind == .badInput)
    }

    private func picture(_ side: Int) -> Picture {
        Picture(
            unchecked: [UInt8](repeating: 7, count: 3 * side * side),
            size: ImageSize(width: side, height: side))
    }

    @Test func settingsSurviveJSON() throws {
        for settings in [qwen3VL, .qwen2VL()] {
            #expect(try VideoPreprocessor(json: settings.json) == settings)
        }
        for (key, value) in [("limits", JSON.string("none")), ("sampling", .null), ("frames", .null)] {
            let broken = qwen3VL.json.setting(key, to: value)
            #expect(failure { _ = try VideoPreprocessor(json: broken) }?.kind == .badInput, "\(key)")
        }
    }

    @Test func checkpointSettings() throws {
        let folder = try TemporaryDirectory()
        var settings = qwen3VL
        try settings.read(ProcessorFiles(checkpoint: folder.path))
        #expect(settings == qwen3VL)
        let size = #""size": {"shortest_edge": 5000, "longest_edge": 6000000}"#
        try folder.write("video_preprocessor_config.json", "{\(size), \"fps\": 1.5, \"max_frames\": 96}")
        try settings.read(ProcessorFiles(checkpoint: folder.path))
        #expect(settings.frames.minimumPixels == 5000 && settings.frames.maximumPixels == 6_000_000)
        #expect(settings.sampling.fps == 1.5 && settings.sampling.maximumFrames == 96)
        // The newer file goes first.
        try folder.write("processor_config.json", #"{"video_processor": {"fps": 4}}"#)
        settings = qwen3VL
        try settings.read(ProcessorFiles(checkpoint: folder.path))
        #expect(settings.sampling.fps == 4 && settings.frames == qwen3VL.frames)
        func read(_ text: String) throws -> VideoPreprocessor {
            try folder.write("processor_config.json", "{\"video_processor\": \(text)}")
            var settings = qwen3VL
            try settings.read(ProcessorFiles(checkpoint: folder.path))
            return settings
        }
        #expect(try read(#"{"num_frames": 6, "fps": null}"#).sampling.fixedCount == 6)
        #expect(try read(#"{"cap_pixels_per_frame": true}"#).cap == 768)
        #expect(try read(#"{"cap_pixels_per_frame": true, "max_video_tokens": 99}"#).cap == 99)
        #expect(try read(#"{"cap_pixels_per_frame": false, "max_video_tokens": 99}"#).cap == nil)
        // The reference passes over these.
        #expect(
            try read(#"{"do_center_crop": true, "crop_size": {"height": 9, "width": 9}, "do_pad": true}"#)
                == qwen3VL)
        var older = VideoPreprocessor.qwen2VL()
        try folder.write(
            "processor_config.json",
            #"{"video_processor": {"cap_pixels_per_frame": true, "do_sample_frames": false}}"#)
        try older.read(ProcessorFiles(checkpoint: folder.path))
        #expect(older.cap == 128_000)
        for bad in [
            #"{"num_frames": 6, "fps": 2}"#, #"{"num_frames": 0}"#, #"{"num_frames": "6"}"#,
            #"{"cap_pixels_per_frame": true, "max_video_tokens": 0}"#, #"{"do_center_crop": true}"#,
            #"{"size": {"height": 224, "width": 224}}"#, #"{"size": 224}"#,
            #"{"size": {"shortest_edge": 224}}"#,
            #"{"size": {"shortest_edge": 4096, "longest_edge": 9999999, "height": 3}}"#,
            #"{"do_sample_frames": false}"#,
            #"{"fps": 0}"#, #"{"fps": "2"}"#, #"{"min_frames": 9, "max_frames": 8}"#,
            #"{"max_frames": 100000000}"#, #"{"min_frames": -1}"#, #"{"patch_size": 0}"#,
        ] {
            let file = try folder.write("processor_config.json", "{\"video_processor\": \(bad)}")
            let refusal = failure {
                var settings = qwen3VL
                try settings.read(ProcessorFiles(checkpoint: folder.path))
            }
            #expect(refusal?.kind == .badInput && refusal?.file == file, "\(bad)")
        }
    }
}
