import Storage
import TestSupport
import Testing

@testable import Prompts

/// Numbers that make no sense are refused wherever they come in, and never become integers.
@Suite struct BoundsTests {
    private static let senseless: [Double] = [.nan, .infinity, -.infinity, -1e30, -1, 1e30]

    private func positions(_ seconds: Double, _ rule: PositionRule, frames: Int = 3) throws -> Positions {
        let grid = PatchGrid(t: frames, h: 2, w: 2)
        return try Positions(
            tokenCount: frames,
            spans: [
                VisualSpan(medium: .video, start: 0, tokens: frames, grid: grid, secondsPerFrame: seconds)
            ],
            rule: rule)
    }

    @Test(arguments: senseless) func secondsThatAreNoTime(seconds: Double) {
        let rule = PositionRule(.seconds(perSecond: 2), mergeSize: 2)
        #expect(failure { _ = try positions(seconds, rule) }?.kind == .badInput)
        let shape = VisualShape(
            .video, grid: PatchGrid(t: 1, h: 2, w: 2), tokens: 1, secondsPerFrame: seconds)
        let refusal = failure {
            _ = try VisualSpan.find(in: [9], imageToken: 8, videoToken: 9, [shape], rule: rule)
        }
        #expect(refusal?.kind == .badInput)
    }

    @Test(arguments: senseless) func ratesThatAreNone(rate: Double) {
        #expect(
            failure { _ = try positions(1, PositionRule(.seconds(perSecond: rate), mergeSize: 2)) }?.kind
                != nil)
        #expect(failure { _ = try FrameSampling().frames(of: 10, rate: rate) }?.kind == .badInput)
        #expect(failure { _ = try FrameSampling().frames(ofSampled: 10, rate: rate) }?.kind == .badInput)
        var sampling = FrameSampling()
        sampling.fps = rate
        #expect(failure { _ = try sampling.frames(of: 10, rate: 2) }?.kind == .badInput)
    }

    @Test func positionsEndBeforeTheyOverflow() throws {
        let rule = PositionRule(.seconds(perSecond: 1e6), mergeSize: 2)
        #expect(failure { _ = try positions(86400, rule) }?.kind == .limit)
        for start in [Int32.max, -1] {
            let refusal = failure {
                _ = try Positions(tokenCount: 1, spans: [], rule: .qwen2VL, start: start)
            }
            #expect(refusal?.kind == .limit)
        }
        for count in [Int.max, -1, 1 << 25] {
            let refusal = failure { _ = try Positions(tokenCount: count, spans: [], rule: .qwen2VL) }
            #expect(refusal?.kind == .limit)
        }
        #expect(try positions(1.9, PositionRule(.seconds(perSecond: 2), mergeSize: 2)).rows[0] == [0, 3, 7])
    }

    /// A grid that stands for more placeholders than there are takes no memory.
    @Test func hugeGridsTakeNothing() {
        let grid = PatchGrid(t: 1 << 29, h: 2, w: 2)
        let shape = VisualShape(.video, grid: grid, tokens: 1 << 29)
        let rule = PositionRule(.separateFrames, mergeSize: 2)
        let refusal = failure {
            _ = try VisualSpan.find(in: [9, 9], imageToken: 8, videoToken: 9, [shape], rule: rule)
        }
        #expect(refusal?.kind == .badInput)
    }

    @Test func totalsThatAreNone() {
        for total in [0, -5, Int.min, Int.max] {
            #expect(failure { _ = try FrameSampling().frames(ofSampled: total, rate: 2) }?.kind == .badInput)
            #expect(failure { _ = try FrameSampling().frames(of: total, rate: 2) }?.kind == .badInput)
        }
        #expect(FrameSelection(indices: [0, 5], total: 6, rate: .nan).timestamps(every: 0).count == 2)
    }

    /// Settings that nobody checked when they were made are checked when they are used.
    @Test func settingsOfCallersAreChecked() throws {
        func broken(_ change: (inout ImagePreprocessor) -> Void) -> ImagePreprocessor {
            var settings = ImagePreprocessor()
            change(&settings)
            return settings
        }
        let picture = try #require(
            Picture(size: .init(width: 2, height: 2), pixels: [UInt8](repeating: 0, count: 12)))
        for settings in [
            broken { $0.patchSize = 0 }, broken { $0.mergeSize = -1 }, broken { $0.temporalPatchSize = 0 },
            broken { $0.minimumPixels = 0 }, broken { $0.maximumPixels = 1 },
            broken { $0.mean = [.nan, 0, 0] },
            broken { $0.mean = [] }, broken { $0.standardDeviation = [1, 0, 1] },
            broken { $0.standardDeviation = [1, 1, 1e-300] }, broken { $0.fixedSide = 0 },
            broken {
                $0.fixedSide = 28; $0.fixedTokens = -1
            },
        ] {
            #expect(failure { _ = try settings.patches(picture) }?.kind == .badInput)
            #expect(failure { _ = try settings.plan(ImageSize(width: 50, height: 50)) }?.kind == .badInput)
            let video = VideoPreprocessor(frames: settings, limits: .wholeVideo, sampling: .qwen3VL)
            #expect(
                failure { _ = try video.plan(ImageSize(width: 50, height: 50), frames: 4) }?.kind == .badInput
            )
        }
        for size in [
            ImageSize(width: .max, height: .max), .init(width: -1, height: 4), .init(width: .max, height: 1),
        ] {
            _ = failure { _ = try ImagePreprocessor().plan(size) }
            _ = failure { _ = try VideoPreprocessor.qwen3VL(images: .init()).plan(size, frames: .max) }
        }
        #expect(
            failure { _ = try ImagePreprocessor().plan(ImageSize(width: 50, height: 50), frames: .max) }?.kind
                == .limit)
    }

    @Test func timesThatAreNone() throws {
        let tokenizer = try Tokenizer(checkpoint: Fixtures.path("demo-qwen2-vl"))
        for time in BoundsTests.senseless {
            let message = Message(role: "user", parts: [.video(tokens: 4, timestamps: [time])])
            let settings = try PromptSettings.writing("qwen3-vl-instruct", tokenizer)
            let refusal = failure { _ = try settings.write(Conversation([message]), tokenizer) }
            #expect(refusal?.kind == .badInput)
        }
    }

    @Test func placesStayInThePicture() {
        let huge = ImageSize(width: .max, height: .max)
        for numbers in ["1e308,1e308", "-1e308,5", "99999999999999999999,1"] {
            let answer = "<box>(\(numbers)),(3,4)</box>"
            _ = PromptSettings.Coordinates.thousandths.objects(in: answer, original: huge, resized: huge)
            let small = ImageSize(width: 10, height: 10)
            for object in PromptSettings.Coordinates.resizedPixels.objects(
                in: answer, original: small, resized: ImageSize(width: 0, height: 0)
            ).objects {
                #expect(object.points.allSatisfy { (0...10).contains($0.x) && (0...10).contains($0.y) })
            }
        }
    }
}
