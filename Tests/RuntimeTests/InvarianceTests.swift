import Bundles
import Prompts
import Runtime
import Storage
import Tessera
import TestSupport
import Testing

/// The same answer by two routes, bit for bit: an element's value never depends on what is computed beside it.
@Suite(.serialized) struct InvarianceTests {
    private static let models: [(fixture: String, recipe: String?)] = [
        ("qwen2-vl", nil), ("qwen2.5-vl", nil), ("qwen2.5-vl", "int8"), ("qwen3-vl", nil),
        ("qwen3.5", nil), ("qwen3.5", "int4"), ("qwen3.5-moe", "int8"), ("qwen3-vl-moe", nil),
        ("qwen3-vl-moe", "int4"), ("demo-qwen2-vl", nil), ("demo-qwen2-vl", "int8"),
        ("demo-qwen2-vl", "int4"),
    ]

    private func hidden(
        _ fixture: String, _ recipe: String?, threads: Int = 2, chunk: Int = 512,
        _ precision: KeyValueCache.Precision = .float16
    ) throws -> [Float] {
        let path = try Bundled.path(fixture, recipe)
        let model = try Model(path, .init(threads: threads, chunk: chunk, cachePrecision: precision))
        let prompt = try self.prompt(model, fixture)
        let context = try TextContext(model.engine, capacity: prompt.tokens.count)
        return try context.evaluate(prompt.input(try model.encodeVisuals(of: prompt)), wanted: .all).values
    }

    /// A golden prompt for random models, a question for the trained one.
    private func prompt(_ model: Model, _ fixture: String) throws -> PreparedPrompt {
        guard model.tokenizer != nil else { return try GoldenCase(fixture, "image1").prompt(model) }
        let picture = try model.picture(Fixtures.path("demo-pictures/scene_1.png"))
        return try Session(model, capacity: 8).prepare([.image(picture), .text("What color are the shapes?")])
    }

    @Test(arguments: models)
    func threadsMakeNoDifference(fixture: String, recipe: String?) throws {
        let one = try hidden(fixture, recipe, threads: 1)
        #expect(try hidden(fixture, recipe, threads: 2) == one)
        #expect(try hidden(fixture, recipe, threads: 5) == one)
    }

    @Test(arguments: models)
    func chunksMakeNoDifference(fixture: String, recipe: String?) throws {
        let whole = try hidden(fixture, recipe)
        // Chunks of 7 cut through pictures; of 1 they are decoding.
        #expect(try hidden(fixture, recipe, chunk: 7) == whole)
        #expect(try hidden(fixture, recipe, chunk: 1) == whole)
    }

    @Test(arguments: models)
    func norOverACacheOfInt8(fixture: String, recipe: String?) throws {
        let whole = try hidden(fixture, recipe, .int8)
        #expect(try hidden(fixture, recipe, threads: 5, chunk: 7, .int8) == whole)
        #expect(try hidden(fixture, recipe, threads: 1, chunk: 1, .int8) == whole)
    }

    /// Who watches is shown all rows of the last block; else it treats those alone that are wanted.
    @Test(arguments: models)
    func rowsThatNobodyWantsMakeNoDifference(fixture: String, recipe: String?) throws {
        let model = try Model(try Bundled.path(fixture, recipe), .init(threads: 2, chunk: 7))
        let prompt = try self.prompt(model, fixture)
        let input = prompt.input(try model.encodeVisuals(of: prompt))
        func rows(_ wanted: TextContext.Wanted, observer: Observer? = nil) throws -> [Float] {
            try TextContext(model.engine, capacity: prompt.tokens.count)
                .evaluate(input, wanted: wanted, observer: observer).values
        }
        let all = try rows(.all) { _, _, _ in }
        #expect(try rows(.all) == all)
        #expect(try rows(.from(5)) == Array(all[(5 * model.engine.width)...]))
        #expect(try rows(.last) == all.suffix(model.engine.width))
    }

    /// A picture of more rows than a block has, by blocks and, as somebody watches, all at once.
    @Test(arguments: models)
    func blocksOfRowsMakeNoDifference(fixture: String, recipe: String?) throws {
        let model = try Model(try Bundled.path(fixture, recipe), .init(threads: 2))
        let (height, width) = (28, 44)
        let values = (0..<height * width * model.engine.patchWidth).map {
            Float($0 &* 7919 % 2003) / 1000 - 1
        }
        let patches = Patches(values: values, grid: .init(t: 1, h: height, w: width))
        let blocks = try model.encode(patches).values
        #expect(try model.encode(patches) { _, _, _ in }.values == blocks)
    }

    @Test func aConversationIsTheSameKeptOrReadAgain() throws {
        let model = try Model(try Bundled.demo.get(), .init(threads: 2))
        let picture = try model.picture(Fixtures.path("demo-pictures/scene_2.png"))
        let session = try Session(model, capacity: 512)
        let options = Session.Options(sampling: .init(), maximumTokens: 32)
        let first = try session.answer(
            [.image(picture), .text("How many shapes are there?")], options: options)
        let second = try session.answer([.text("What color are the shapes?")], options: options)

        let tokenizer = try model.requireTokenizer()
        let count = try #require(picture.grid.tokens(mergeSize: 2))
        let messages = [
            Message(role: "user", parts: [.image(tokens: count), .text("How many shapes are there?")]),
            Message(role: "assistant", text: first.text),
            Message(role: "user", text: "What color are the shapes?"),
        ]
        let tokens = tokenizer.encode(try model.prompt.write(Conversation(messages), tokenizer).pieces)
        let whole = try PreparedPrompt(
            tokens: tokens, visuals: [.init(.image, picture)], settings: model.prompt)
        let again = try Session(model, capacity: 512).answer(whole, options: options)
        #expect(first.end == .stop)
        #expect(again.tokens == second.tokens)
    }

    /// f16 has 11 significant bits: 5e-4 of a key or value. Codes are off by 1/254 of a row's largest. Sums average both down.
    @Test(arguments: [
        ("qwen2-vl", "text"), ("qwen2.5-vl", "image1"), ("qwen3-vl", "image1"), ("qwen3-vl-moe", "text"),
        ("qwen3.5", "image1"),
    ])
    func smallCachesCostLittle(fixture: String, golden: String) throws {
        let path = try Bundled.path(fixture)
        func run(_ precision: KeyValueCache.Precision) throws -> [Float] {
            let model = try Model(path, .init(threads: 2, cachePrecision: precision))
            let prompt = try GoldenCase(fixture, golden).prompt(model)
            let context = try TextContext(model.engine, capacity: prompt.tokens.count)
            return try context.evaluate(prompt.input(try model.encodeVisuals(of: prompt)), wanted: .all)
                .values
        }
        let (full, half, codes) = (try run(.float32), try run(.float16), try run(.int8))
        let largest = full.map(abs).max() ?? 0
        func error(_ x: [Float]) -> Float { zip(full, x).map { abs($0 - $1) }.max() ?? 1 }
        #expect(error(half) > 0 && error(half) < 2e-3 * largest, "\(error(half) / largest)")
        #expect(error(codes) > error(half) && error(codes) < 2e-2 * largest, "\(error(codes) / largest)")
    }
}
