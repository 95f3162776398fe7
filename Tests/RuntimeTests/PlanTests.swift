import Bundles
import GraphIR
import Storage
import Testing

@testable import Runtime

@Suite(.serialized) struct PlanTests {
    private func engine(_ path: Result<String, any Error>) throws -> Engine { try engine(path.get()) }

    private func engine(_ path: String) throws -> Engine {
        try Engine(try Bundle(path), .init(threads: 1))
    }

    /// Two buffers that are alive at the same step never share a byte, whatever the extents.
    @Test(arguments: [1, 2, 7, 64, 513])
    func liveBuffersNeverOverlap(rows: Int) throws {
        let fixtures = [
            ("qwen2-vl", nil), ("qwen2.5-vl", nil), ("qwen3-vl-moe", nil), ("qwen3-vl-moe", "int4"),
        ]
        for (fixture, recipe) in fixtures {
            let engine = try engine(Bundled.path(fixture, recipe))
            let extents = Extents(tokens: rows, visuals: rows / 2, outputs: 1, patches: 4 * rows, segments: 2)
            for plan in [engine.vision, engine.text, engine.head] {
                let layout = try ArenaLayout(plan, extents)
                var placed: [(range: Range<Int>, live: ClosedRange<Int>)] = []
                for (index, buffer) in plan.buffers.enumerated() where layout.offsets[index] >= 0 {
                    let size = try #require(
                        try buffer.kind.byteCount(rows: extents(buffer.rows) * buffer.copies))
                    let range = layout.offsets[index]..<layout.offsets[index] + size
                    #expect(range.upperBound <= layout.count)
                    for other in placed where other.live.overlaps(buffer.live) {
                        #expect(!other.range.overlaps(range))
                    }
                    placed.append((range, buffer.live))
                }
            }
        }
    }

    @Test func theArenaIsReusedFromLayerToLayer() throws {
        let engine = try engine(Bundled.demo)
        let layout = try ArenaLayout(engine.text, Extents(tokens: 64, outputs: 1))
        let all = try engine.text.buffers.reduce(0) { sum, buffer in
            sum + (try buffer.kind.byteCount(rows: Extents(tokens: 64, outputs: 1)(buffer.rows)) ?? 0)
        }
        #expect(layout.count * 4 < all)
    }

    @Test func queriesKeysAndValuesShareTheirQuantizedInput() throws {
        let engine = try engine(Bundled.demoInt4)
        let quantizations = engine.text.steps.filter { if case .quantize = $0 { true } else { false } }.count
        let blocks = try engine.graph.graph("text").nodes.filter { $0.operation.name == "attention" }.count
        // One for q, k and v, one each for the output, gate and up, and down.
        #expect(quantizations == 4 * blocks)
    }

    @Test func memoryIsKnownBeforehand() throws {
        let engine = try engine(Bundled.demo)
        let small = try engine.estimateMemory(capacity: 128, patches: 64, segments: 1, mapped: 0)
        let large = try engine.estimateMemory(capacity: 256, patches: 256, segments: 1, mapped: 0)
        #expect(large.cache == 2 * small.cache)
        #expect(large.arena > small.arena)
    }

    @Test func whatDoesNotFitIsRefused() throws {
        let engine = try engine(Bundled.path("qwen2-vl"))
        let context = try TextContext(engine, capacity: 4)
        func evaluate(_ input: TextContext.Input) -> Failure.Kind? {
            do throws(Failure) {
                _ = try context.evaluate(input)
                return nil
            } catch { return error.kind }
        }
        #expect(evaluate(.init(tokens: [], positions: [])) == .badInput)
        #expect(evaluate(.init(tokens: [1], positions: [0])) == .badInput)
        #expect(evaluate(.init(tokens: [-1], positions: [0, 0, 0])) == .badInput)
        #expect(evaluate(.init(tokens: [1 << 20], positions: [0, 0, 0])) == .badInput)
        #expect(
            evaluate(.init(tokens: [1, 2, 3, 4, 5], positions: Array(repeating: 0, count: 15))) == .limit)
        #expect(evaluate(.init(tokens: [1], positions: [0, 0, 0], visualRows: [0])) == .badInput)
        #expect(evaluate(.init(tokens: [1], positions: [0, 0, 0])) == nil)
        #expect(throws: Failure.self) {
            _ = try engine.encode(patches: [1, 2], coordinates: [], segments: [0, 1])
        }
    }
}
