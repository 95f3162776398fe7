import Storage
import TestSupport
import Testing

@testable import Prompts

@Suite struct PositionsTests {
    @Test func positionsEqualReference() throws {
        let golden = try Fixtures.json("preprocessing/positions.json")
        let image = Int32(try #require(golden["image_token"]?.int))
        let video = Int32(try #require(golden["video_token"]?.int))
        for member in try #require(golden["cases"]?.members) {
            let tokens = try #require(member.value["input_ids"]?.ints).map { Int32($0) }
            let spans = try VisualSpan.find(
                in: tokens, image: (image, grids(member.value["image_grids"])),
                video: (video, grids(member.value["video_grids"])), mergeSize: 2)
            let positions = try Positions(tokenCount: tokens.count, spans: spans, rule: .qwen2VL)
            let rows = [positions.time, positions.height, positions.width].map { $0.map { Int($0) } }
            #expect(rows == member.value["positions"]?.array?.compactMap(\.ints), "\(member.key)")
            #expect(Int(positions.delta) == member.value["rope_delta"]?.int, "\(member.key)")
        }
    }

    /// A prompt rendered in two parts has the positions it has as a whole.
    @Test func positionsGoOn() throws {
        let grid = PatchGrid(t: 3, h: 4, w: 6)
        let whole = try Positions(
            tokenCount: 30, spans: [VisualSpan(medium: .video, start: 5, grid: grid)], rule: .qwen2VL)
        let first = try Positions(tokenCount: 3, spans: [], rule: .qwen2VL)
        let rest = try Positions(
            tokenCount: 27, spans: [VisualSpan(medium: .video, start: 2, grid: grid)], rule: .qwen2VL,
            start: first.next)
        #expect(first.width + rest.width == whole.width)
        #expect(first.time + rest.time == whole.time)
        #expect(rest.next == whole.next)
    }

    @Test func misfitsAreRefused() throws {
        let grid = PatchGrid(t: 1, h: 4, w: 4)
        func refusal(_ spans: [VisualSpan], tokens: Int = 10) -> Failure.Kind? {
            failure { _ = try Positions(tokenCount: tokens, spans: spans, rule: .qwen2VL) }?.kind
        }
        #expect(refusal([VisualSpan(medium: .image, start: 7, grid: grid)]) == .badInput)
        #expect(refusal([VisualSpan(medium: .image, start: -1, grid: grid)]) == .badInput)
        #expect(refusal([VisualSpan(medium: .image, start: .max, grid: grid)]) == .badInput)
        #expect(
            refusal([VisualSpan(medium: .image, start: 0, grid: PatchGrid(t: 1, h: 3, w: 4))]) == .badInput)
        let huge = PatchGrid(t: .max, h: .max, w: .max)
        #expect(refusal([VisualSpan(medium: .image, start: 0, grid: huge)]) == .badInput)
        #expect(refusal([], tokens: .max) == .limit)
        let full = failure { _ = try Positions(tokenCount: .max, spans: [], rule: .qwen2VL, start: .max) }
        #expect(full?.kind == .limit)
        let twice = VisualSpan(medium: .image, start: 2, grid: grid)
        #expect(refusal([twice, twice]) == .badInput)
        let missing = failure {
            _ = try VisualSpan.find(in: [7, 7], image: (7, [grid]), video: (8, []), mergeSize: 2)
        }
        #expect(missing?.kind == .badInput)
    }

    @Test func ruleSurvivesJSON() throws {
        #expect(try PositionRule(json: PositionRule.qwen2VL.json) == .qwen2VL)
        #expect(
            failure { _ = try PositionRule(json: .pairs(["time": "lunar", "merge_size": 2])) }?.kind
                == .badInput)
        #expect(
            failure { _ = try PositionRule(json: .pairs(["time": "frame", "merge_size": 0])) }?.kind
                == .badInput)
    }

    private func grids(_ json: JSON?) -> [PatchGrid] {
        (json?.array ?? []).compactMap(\.ints).map { PatchGrid(t: $0[0], h: $0[1], w: $0[2]) }
    }
}
