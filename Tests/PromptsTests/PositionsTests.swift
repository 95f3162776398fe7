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
            let shapes =
                shapes(.image, member.value["image_grids"]) + shapes(.video, member.value["video_grids"])
            let (spans, _) = try VisualSpan.find(
                in: tokens, imageToken: image, videoToken: video, shapes, rule: .qwen2VL)
            let positions = try Positions(tokenCount: tokens.count, spans: spans, rule: .qwen2VL)
            let rows = positions.rows.map { $0.map { Int($0) } }
            #expect(rows == member.value["positions"]?.array?.compactMap(\.ints), "\(member.key)")
            #expect(Int(positions.delta) == member.value["rope_delta"]?.int, "\(member.key)")
        }
    }

    /// A prompt rendered in two parts has the positions it has as a whole.
    @Test func positionsGoOn() throws {
        let grid = PatchGrid(t: 3, h: 4, w: 6)
        let whole = try Positions(
            tokenCount: 30, spans: [VisualSpan(medium: .video, start: 5, tokens: 18, grid: grid)],
            rule: .qwen2VL)
        let first = try Positions(tokenCount: 3, spans: [], rule: .qwen2VL)
        let rest = try Positions(
            tokenCount: 27, spans: [VisualSpan(medium: .video, start: 2, tokens: 18, grid: grid)],
            rule: .qwen2VL,
            start: first.next)
        for (row, all) in whole.rows.enumerated() { #expect(first.rows[row] + rest.rows[row] == all) }
        #expect(rest.next == whole.next)
    }

    @Test func misfitsAreRefused() throws {
        let grid = PatchGrid(t: 1, h: 4, w: 4)
        func refusal(_ spans: [VisualSpan], tokens: Int = 10) -> Failure.Kind? {
            failure { _ = try Positions(tokenCount: tokens, spans: spans, rule: .qwen2VL) }?.kind
        }
        #expect(refusal([VisualSpan(medium: .image, start: 7, tokens: 4, grid: grid)]) == .badInput)
        #expect(refusal([VisualSpan(medium: .image, start: -1, tokens: 4, grid: grid)]) == .badInput)
        #expect(refusal([VisualSpan(medium: .image, start: .max, tokens: 4, grid: grid)]) == .badInput)
        #expect(
            refusal([VisualSpan(medium: .image, start: 0, tokens: 3, grid: PatchGrid(t: 1, h: 3, w: 4))])
                == .badInput)
        let huge = PatchGrid(t: .max, h: .max, w: .max)
        #expect(refusal([VisualSpan(medium: .image, start: 0, tokens: 4, grid: huge)]) == .badInput)
        #expect(refusal([], tokens: .max) == .limit)
        let full = failure { _ = try Positions(tokenCount: .max, spans: [], rule: .qwen2VL, start: .max) }
        #expect(full?.kind == .limit)
        let twice = VisualSpan(medium: .image, start: 2, tokens: 4, grid: grid)
        #expect(refusal([twice, twice]) == .badInput)
        let missing = failure {
            _ = try VisualSpan.find(
                in: [7, 7], imageToken: 7, videoToken: 8, [VisualShape(.image, grid: grid, tokens: 4)],
                rule: .qwen2VL)
        }
        #expect(missing?.kind == .badInput)
    }

    @Test func ruleSurvivesJSON() throws {
        for kind in [PositionRule.Kind.frame, .seconds(perSecond: 2), .separateFrames, .sequential] {
            let rule = PositionRule(kind, mergeSize: 2)
            #expect(try PositionRule(json: rule.json) == rule)
        }
        #expect(
            failure { _ = try PositionRule(json: .pairs(["time": "lunar", "merge_size": 2])) }?.kind
                == .badInput)
        #expect(
            failure { _ = try PositionRule(json: .pairs(["time": "frame", "merge_size": 0])) }?.kind
                == .badInput)
    }

    private func shapes(_ medium: PromptPiece.Medium, _ json: JSON?) -> [VisualShape] {
        (json?.array ?? []).compactMap(\.ints).map { sides in
            let grid = PatchGrid(t: sides[0], h: sides[1], w: sides[2])
            return VisualShape(medium, grid: grid, tokens: grid.tokens(mergeSize: 2) ?? 0)
        }
    }
}
