import Foundation
import Storage
import TestSupport
import Testing

/// Videos in files, with programs in the place of `ffprobe` and `ffmpeg` that say what a test wants.
@Suite struct VideoCommandTests {
    private static let work = Result { try TemporaryDirectory() }
    private static let bundle = Result {
        let path = try work.get().file("demo.tessera")
        let outcome = try run("tessera-from-qwen2-vl", Fixtures.path("demo-qwen2-vl"), "-o", path)
        guard outcome.status == 0 else { throw Failure.badInput(outcome.errors) }
        return path
    }

    /// Four frames in a second, and nothing that is not so.
    private static let probed = """
        packet|pts=0|dts=0|duration=1|flags=K__
        packet|pts=3|dts=1|duration=1|flags=___
        stream|r_frame_rate=9/1|avg_frame_rate=9/1|time_base=1/2|nb_read_frames=4

        """

    private static func frame(_ level: UInt8, width: Int = 28, height: Int = 28) -> [UInt8] {
        Array("P6\n\(width) \(height)\n255\n".utf8) + [UInt8](repeating: level, count: 3 * width * height)
    }

    private static let frames = (0..<4).flatMap { frame(UInt8(60 * $0)) }

    /// Asks about a video.
    /// - Parameters:
    ///   - probe: what `ffprobe` says.
    ///   - output: what `ffmpeg` writes.
    ///   - end: the last line of `ffmpeg`'s script.
    private func ask(
        probe: String = probed, output: [UInt8] = frames, end: String = "exit 0", video name: String = "v.mp4"
    ) throws -> (outcome: Outcome, arguments: String) {
        let folder = try TemporaryDirectory()
        try writeFile(folder.file("probe"), Array(probe.utf8))
        try writeFile(folder.file("frames"), output)
        try writeFile(folder.file(name), [0])
        for (program, file, end) in [("ffprobe", "probe", "exit 0"), ("ffmpeg", "frames", end)] {
            let script = """
                #!/bin/sh
                for word in "$@"; do echo "$word" >> '\(folder.file("log"))'; done
                cat '\(folder.file(file))'
                \(end)

                """
            try writeFile(folder.file(program), Array(script.utf8))
            chmod(folder.file(program), 0o755)
        }
        let outcome = try run(
            "tessera-run", VideoCommandTests.bundle.get(), "--video", folder.file(name), "-p", "What is it?",
            "-n", "4", "--json", environment: ["PATH": folder.path + ":/usr/bin:/bin"])
        let log = try readFile(folder.file("log"))
        return (outcome, String(decoding: log, as: UTF8.self))
    }

    @Test func framesAreAskedForAndRead() throws {
        let (outcome, arguments) = try ask(video: "-i odd 'name'.mp4")
        #expect(outcome.status == 0, "\(outcome.errors)")
        let words = arguments.split(separator: "\n")
        #expect(words.count { $0.hasPrefix("file:/") && $0.hasSuffix("/-i odd 'name'.mp4") } == 2)
        #expect(words.contains(#"select=((eq(n\,0)+eq(n\,1))+(eq(n\,2)+eq(n\,3)))"#))
        #expect(words.count { $0 == "-protocol_whitelist" } == 2)
        // Every two frames of 28×28 pixels become four tokens, of 56×56.
        let few = try ask(
            probe: VideoCommandTests.probed.replacing("frames=4", with: "frames=2"),
            output: VideoCommandTests.frame(0) + VideoCommandTests.frame(60)
        ).outcome
        func tokens(_ outcome: Outcome) throws -> Int? {
            try JSON(parsing: Array(outcome.output.utf8))["prompt_tokens"]?.int
        }
        #expect(try tokens(outcome) == tokens(few).map { $0 + 4 })
    }

    @Test(arguments: [
        ("no such lines", frames, "exit 0", "has no video stream"),
        ("", frames, "exit 0", "has no video stream"),
        ("stream|time_base=1/2", frames, "exit 0", "without frames"),
        ("stream|nb_read_frames=N/A", frames, "exit 0", "without frames"),
        ("stream|nb_read_frames=-3", frames, "exit 0", "without frames"),
        (probed, [], "echo moov is gone >&2; exit 1", "moov is gone"),
        (probed, frames, "echo late trouble >&2; exit 1", "late trouble"),
        (probed, frame(9), "exit 0", "ended after 1 of 4 frames"),
        (probed, Array(frames.dropLast()), "exit 0", "ended within a frame"),
        (probed, frames + frame(9), "exit 0", "more frames than asked for"),
        (probed, Array("P6\n9999999999 99999999999\n255\n".utf8), "exit 0", "more than the"),
        (probed, Array("P6\n-5 -5\n255\n".utf8), "exit 0", "no frames that can be understood"),
        (probed, Array("P5\n28 28\n255\n".utf8), "exit 0", "no frames that can be understood"),
        (probed, Array(repeating: 80, count: 50), "exit 0", "no frames that can be understood"),
        (probed, frame(1) + frame(1, width: 56), "exit 0", "frames of one size"),
        (probed, frame(1, width: 28 * 201, height: 28), "exit 0", "too thin"),
    ])
    func nonsenseIsRefused(probe: String, output: [UInt8], end: String, message: String) throws {
        let outcome = try ask(probe: probe, output: output, end: end).outcome
        #expect([3, 5].contains(outcome.status), "\(outcome)")
        #expect(outcome.errors.contains(message), "\(outcome.errors)")
        #expect(outcome.output.isEmpty)
    }

    private static func find(_ program: String) -> Bool {
        ["/usr/bin", "/usr/local/bin"].contains {
            FileManager.default.isExecutableFile(atPath: "\($0)/\(program)")
        }
    }

    /// Two seconds of ten frames each through the programs themselves: planned, read and answered about.
    @Test(.enabled(if: find("ffmpeg") && find("ffprobe"), "ffmpeg is not installed"))
    func aRealClipIsReadAndPlanned() throws {
        let folder = try TemporaryDirectory()
        let clip = folder.file("clip.mp4")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i",
            "testsrc=size=112x84:rate=10:duration=2",
            "-c:v", "mpeg4", clip,
        ]
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        let bundle = try VideoCommandTests.bundle.get()
        func tokens(_ command: String, _ words: String...) throws -> JSON? {
            let outcome = try run(
                command, arguments: words + ["-p", "What is it?", "--video", clip, "--json"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            return try JSON(parsing: Array(outcome.output.utf8))["prompt_tokens"]
        }
        // Four frames, two a second, make two grids of 6×8 patches and 12 tokens each.
        let asked = try run("tessera-run", bundle, "-p", "What is it?", "-n", "1", "--json")
        let without = try #require(try JSON(parsing: Array(asked.output.utf8))["prompt_tokens"]?.int)
        #expect(try tokens("tessera-run", bundle, "-n", "2") == .int(without + 2 + 24))
        #expect(try tokens("tessera-inspect", "plan", bundle) == .int(without + 2 + 24))
        for words in [["--fps", "5"], ["--max-frames", "2"]] {
            #expect(
                try tokens("tessera-run", bundle, "-n", "2", words[0], words[1])
                    == tokens("tessera-inspect", "plan", bundle, words[0], words[1]))
        }
        // What is no video says so in ffmpeg's own words.
        try writeFile(folder.file("broken.mp4"), Array(try readFile(clip).prefix(900)))
        for words in [["tessera-run", bundle], ["tessera-inspect", "plan", bundle]] {
            let outcome = try run(
                words[0], arguments: words.dropFirst() + ["-p", "x", "--video", folder.file("broken.mp4")])
            #expect(outcome.status == 3 && outcome.errors.contains("broken.mp4"), "\(outcome)")
        }
    }

    @Test func itSaysWhatToInstall() throws {
        let empty = try TemporaryDirectory()
        try writeFile(empty.file("v.mp4"), [0])
        let outcome = try run(
            "tessera-run", VideoCommandTests.bundle.get(), "--video", empty.file("v.mp4"), "-p", "What?",
            environment: ["PATH": empty.path])
        #expect(outcome.status == 3)
        #expect(outcome.errors.contains("ffprobe, which is not installed (install ffmpeg"))
    }

    /// What a video took is said, and that a single frame is no video; photos are refused.
    @Test(.enabled(if: find("ffmpeg") && find("ffprobe"), "ffmpeg is not installed"))
    func whatBecomesOfItIsSaid() throws {
        let bundle = try VideoCommandTests.bundle.get()
        func ask(_ path: String) throws -> Outcome {
            try run(
                "tessera-run", bundle, "-p", "What is it?", "-n", "1", "-v", "--video", Fixtures.path(path))
        }
        let uneven = try ask("videos/vfr_slow_first.mp4")
        #expect(uneven.status == 0, "\(uneven.errors)")
        #expect(
            uneven.errors.contains(
                "6 of 45 frames, 14.362 a second, of 84x56 pixels, resized to 84x56: 18 tokens\n"))
        let single = try ask("videos/n1.mp4")
        #expect(single.status == 0 && single.errors.contains("n1.mp4 has one frame"))
        let photo = try ask("pictures/grey.jpg")
        #expect(
            photo.status == 3
                && photo.errors.contains("grey.jpg: is a picture, not a video (give it with --image"))
    }

    /// Plans say what a video takes with the bound on pixels and by the checkpoint's own limits.
    @Test func bothPlansAreShown() throws {
        func plan(_ words: String...) throws -> Outcome {
            try run(
                "tessera-inspect",
                arguments: [
                    "plan", SharedBundles.published("qwen2.5-vl"), "--video", "1920x1080x20", "-c", "30000",
                ]
                    + words)
        }
        func tokens(_ words: String...) throws -> [Int?] {
            let report = try JSON(parsing: Array(plan("--json").output.utf8))
            let bound = try JSON(
                parsing: Array(
                    run(
                        "tessera-inspect",
                        arguments: [
                            "plan", SharedBundles.published("qwen2.5-vl"), "--video", "1920x1080x20", "-c",
                            "30000",
                            "--json",
                        ] + words
                    ).output.utf8))
            return [bound, report].map { $0["pictures"]?.array?.first?["tokens"]?.int }
                + [bound["pictures"]?.array?.first?["unbounded_tokens"]?.int]
        }
        #expect(try tokens() == [7200, 7200, 26910])
        #expect(try tokens("--max-pixels", "none") == [26910, 7200, 26910])
        #expect(try plan().output.contains("7200 tokens of a video; by the checkpoint's own limits 26910"))
        #expect(try !plan("--max-pixels", "none").output.contains("own limits"))
        #expect(try plan("--max-pixels", "100352").status == 0)
    }

    @Test func wrongUsage() throws {
        for arguments in [
            ["--fps", "0"], ["--fps", "nan"], ["--max-frames", "0"], ["--max-pixels", "0"],
            ["--max-pixels", "all"],
            ["--max-video-pixels", "-1"],
        ] {
            let outcome = try run(
                "tessera-run", arguments: [VideoCommandTests.bundle.get(), "-p", "What?"] + arguments)
            #expect(outcome.status == 2, "\(arguments)")
        }
    }
}
