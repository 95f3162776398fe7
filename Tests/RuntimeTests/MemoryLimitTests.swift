import Bundles
import Runtime
import Storage
import Tessera
import Testing

/// Running within a limit of memory.
@Suite(.serialized) struct MemoryLimitTests {
    private func hidden(_ model: Model) throws -> [Float] {
        let prompt = try GoldenCase("qwen2.5-vl", "image1").prompt(model)
        let context = try TextContext(model.engine, capacity: prompt.tokens.count)
        return try context.evaluate(prompt.input(try model.encodeVisuals(of: prompt)), wanted: .all).values
    }

    /// However few of the weights may stay.
    @Test(arguments: [nil, "int4"])
    func weightsThatAreReadAnewGiveTheSameBits(recipe: String?) throws {
        let path = try Bundled.path("qwen2.5-vl", recipe)
        let whole = try hidden(try Model(path, .init(threads: 2)))
        for resident in [0, 10_000, 100_000, 1 << 40] {
            #expect(try hidden(try Model(path, .init(threads: 2, residentWeights: resident))) == whole)
        }
    }

    /// From what takes everything down to what is refused, each way keeps within its limit.
    @Test func theLimitChoosesTheWay() throws {
        let model = try Model(try Bundled.path("demo-qwen2-vl"), .init(threads: 1))
        func way(_ limit: Int) throws -> Engine.Options {
            try model.options(within: limit, for: [], capacity: 256, [.float16])
        }
        let whole = try model.estimateMemory(for: [], capacity: 256)
        let enough = whole.anonymous + whole.mapped
        #expect(try way(enough).chunk == 512)
        #expect(try way(enough).residentWeights == nil)

        let fewer = try way(enough - 1)
        #expect(fewer.chunk < 512 && fewer.residentWeights == nil)

        let least = try model.estimateMemory(for: [], capacity: 256, fewer)
        let few = try way(least.anonymous + least.mapped / 2)
        let resident = try #require(few.residentWeights)
        #expect(resident < least.mapped && resident >= model.engine.headWeights)

        #expect(throws: Failure.self) { try way(10_000) }
        // A second kind of cache only where the first has no room.
        func either(_ limit: Int) throws -> Engine.Options {
            try model.options(within: limit, for: [], capacity: 256, [.float16, .int8])
        }
        var half = fewer
        half.chunk = 32
        let smallest = try model.estimateMemory(for: [], capacity: 256, half)
        #expect(try either(smallest.anonymous + smallest.mapped).cachePrecision == .float16)
        let codes = try either(smallest.anonymous + smallest.mapped - 1)
        #expect(codes.cachePrecision == .int8 && codes.residentWeights == nil)

        do { _ = try way(10_000) } catch let failure as Failure { #expect(failure.kind == .limit) }
    }
}
