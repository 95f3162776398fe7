import Storage
import TestSupport
import Testing

@testable import Prompts

/// What `formats/prompt.md` gives as examples is what is computed.
@Suite struct PromptPageTests {
    private let lines: [Substring]

    init() throws {
        let page = String(decoding: try readFile(Fixtures.path("../../formats/prompt.md")), as: UTF8.self)
        lines = page.split(separator: "\n", omittingEmptySubsequences: false)
    }

    /// The cells of the rows of the table whose head begins so.
    private func table(_ head: String) -> [[String]] {
        let rows = lines.drop { !$0.hasPrefix("| \(head) |") }.dropFirst(2).prefix { $0.hasPrefix("|") }
        return rows.map { row in
            row.split(separator: "|").map { String($0.drop { $0 == " " }) }
        }
    }

    private func numbers(_ cell: String) -> [Int] {
        cell.split { !$0.isNumber }.compactMap { Int($0) }
    }

    private func settings(_ limits: [Int]) -> ImagePreprocessor {
        var settings = ImagePreprocessor()
        settings.patchSize = limits[0]
        (settings.minimumPixels, settings.maximumPixels) = (limits[1], limits[2])
        return settings
    }

    private func expect(_ plan: ImagePlan, _ cells: ArraySlice<String>) {
        let expected = cells.map(numbers)
        let found = [
            [plan.resized.width, plan.resized.height], [plan.grid.t, plan.grid.h, plan.grid.w], [plan.tokens],
        ]
        #expect(found == expected, "\(cells)")
    }

    @Test func picturesHaveTheSizesOfThePage() throws {
        let rows = table("picture")
        #expect(rows.count == 7)
        for row in rows {
            let (size, limits) = (numbers(row[0]), numbers(row[1]))
            let settings = settings([limits[0], limits[2], limits[3]])
            expect(try settings.plan(ImageSize(width: size[0], height: size[1])), row[2..<5])
        }
    }

    @Test func framesAreThoseOfThePage() throws {
        let rows = table("frames")
        #expect(rows.count == 6)
        for row in rows {
            var sampling = FrameSampling()
            sampling.spacing = row[2].hasPrefix("floor") ? .floor : .linspace
            sampling.even = row[2].contains("true")
            let frames = try sampling.frames(of: numbers(row[0])[0], rate: Double(numbers(row[1])[0]))
            #expect(frames.indices == numbers(row[3]), "\(row)")
        }
    }

    @Test func videosHaveTheSizesOfThePage() throws {
        let rows = table("frames of a size")
        #expect(rows.count == 6)
        var videos = VideoPreprocessor.qwen2VL()
        for row in rows {
            if row[1].hasPrefix("the same") {
                videos.bound = PixelBound(factor: videos.frames.factor)
            } else {
                videos = VideoPreprocessor(
                    frames: settings(numbers(row[1])),
                    limits: row[1].hasPrefix("each frame") ? .eachFrame : .wholeVideo,
                    sampling: videos.sampling)
            }
            let size = numbers(row[0])
            let plan = try videos.plan(ImageSize(width: size[1], height: size[2]), frames: size[0])
            expect(plan, row[2..<5])
        }
    }

    @Test func positionsAreThoseOfThePage() throws {
        let kinds: [(String, PositionRule.Kind, between: Int)] = [
            ("frame", .frame, 0), ("seconds", .seconds(perSecond: 2), 0),
            ("separate_frames", .separateFrames, 1),
        ]
        for (name, kind, between) in kinds {
            let rule = PositionRule(kind, mergeSize: 2)
            var spans = [VisualSpan(medium: .image, start: 2, tokens: 6, grid: PatchGrid(t: 1, h: 4, w: 6))]
            var next = 9
            for run in rule.runs(of: PatchGrid(t: 2, h: 4, w: 4), .video) {
                spans.append(VisualSpan(medium: .video, start: next, tokens: 4 * run.t, grid: run))
                next += 4 * run.t + between
            }
            let positions = try Positions(tokenCount: next + 1 - between, spans: spans, rule: rule)
            let start = try #require(
                lines.firstIndex { $0.hasPrefix("    \(name) ") && $0.contains(" time ") })
            #expect(
                lines[start..<start + 3].map { numbers(String($0)) }
                    == positions.rows.map { $0.map(Int.init) })
        }
    }
}
