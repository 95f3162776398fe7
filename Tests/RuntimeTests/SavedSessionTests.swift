import Bundles
import Prompts
import Runtime
import Storage
import TestSupport
import Testing

@testable import Tessera

/// A session in a file goes on as it would have in memory, and no file is believed.
@Suite(.serialized) struct SavedSessionTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func demo(_ options: Engine.Options = .init(threads: 2)) throws -> Model {
        try Model(Bundled.demo.get(), options)
    }

    private func cache(_ session: Session) throws -> [[UInt8]] {
        try session.context.cache.withStored { (parts) throws(Failure) in parts.map(Array.init) }
    }

    private func save(_ session: Session, _ name: String = "session") throws -> String {
        let path = directory.file(name)
        try session.save(to: OutputPath(path, replacing: true, inputs: []))
        return path
    }

    private func refusal<Result>(_ body: () throws -> Result) -> Failure? {
        do {
            _ = try body()
            return nil
        } catch { return error as? Failure }
    }

    private let question = "How many shapes are there?"

    /// Pictures, draws and what waits to be evaluated, over turns that are each saved.
    @Test(arguments: [KeyValueCache.Precision.float16, .int8])
    func conversationsGoOnTheSame(precision: KeyValueCache.Precision) throws {
        let model = try demo(.init(threads: 2, cachePrecision: precision))
        let pictures = try ["scene_1.png", "scene_2.png"].map {
            try model.picture(Fixtures.path("demo-pictures/\($0)"))
        }
        let turns: [[Session.Part]] = [
            [.image(pictures[0]), .text(question)], [.text("What color is the first? \u{0} <|im_end|> 𝄞")],
            [.image(pictures[1]), .text("And here?")], [.text("Why?")],
        ]
        // Ends by length leave a token waiting.
        for (seed, length) in [(nil, 7), (5, 40)] as [(UInt64?, Int)] {
            let options = Session.Options(
                sampling: .init(temperature: 0.9, topK: 12, topP: 0.95, seed: seed), maximumTokens: length)
            let kept = try Session(model, capacity: 512)
            _ = try kept.answer(turns[0], system: "Be brief.", options: options)
            for (number, turn) in turns.dropFirst().enumerated() {
                // Another capacity spreads heads otherwise.
                let path = try save(kept)
                let loaded = try Session(model, resuming: path, capacity: 300 + number)
                #expect(try cache(kept) == cache(loaded))
                let (expected, answer) = (
                    try kept.answer(turn, options: options), try loaded.answer(turn, options: options)
                )
                #expect(expected.tokens == answer.tokens && expected.promptTokens == answer.promptTokens)
                #expect(expected.seed == answer.seed && expected.text == answer.text)
                #expect(try cache(kept) == cache(loaded))
                #expect(try readFile(save(kept)) == readFile(save(loaded, "other")))
            }
        }
    }

    @Test(
        arguments: [
            ("qwen2-vl", nil), ("qwen2.5-vl", nil), ("qwen3-vl", nil), ("qwen3-vl-moe", "int4"),
            ("qwen3.5", nil), ("qwen3.5-moe", "int4"),
        ] as [(String, String?)])
    func everyGenerationGoesOnTheSame(fixture: String, recipe: String?) throws {
        let model = try Model(try Bundled.path(fixture, recipe), .init(threads: 2))
        let options = Session.Options(sampling: .init(), maximumTokens: 9)
        var tried = 0
        for golden in try GoldenCase.all(of: fixture) {
            let prompt = try golden.prompt(model)
            let kept = try Session(model, capacity: prompt.tokens.count + 40)
            let said = try kept.answer(prompt, options: options).tokens
            // Where a model of random weights says a picture's placeholder, nothing can follow, loaded or not.
            guard !said.contains(model.prompt.imageToken), !said.contains(model.prompt.videoToken ?? -1)
            else {
                continue
            }
            tried += 1
            let loaded = try Session(model, resuming: save(kept), capacity: prompt.tokens.count + 50)
            func goOn(_ session: Session) throws -> [Int32] {
                let next = try PreparedPrompt(
                    tokens: session.state.said + [7, 5, 11], visuals: session.state.visuals,
                    settings: model.prompt, said: session.state.said.prefix(session.context.cache.count),
                    from: { $0 },
                    turn: session.state.turn, messages: nil)
                #expect(next.visuals.isEmpty && next.tokens.count < 6)
                return try session.answer(next, options: options).tokens
            }
            #expect(try goOn(kept) == goOn(loaded), "\(golden.name)")
            #expect(try cache(kept) == cache(loaded))
        }
        #expect(tried > 1)
    }

    /// Nothing is answered yet, and what comes next belongs to the same message.
    @Test func whatIsOnlyReadIsAPrefix() throws {
        let model = try demo()
        let picture = try model.picture(Fixtures.path("demo-pictures/scene_2.png"))
        let read = try Session(model, capacity: 256)
        let none = try read.answer(
            [.image(picture), .text("This is a picture. ")],
            options: .init(sampling: .init(), maximumTokens: 0))
        #expect(none.tokens.isEmpty && none.text.isEmpty)
        let path = try save(read)
        for question in [question, "Describe the picture."] {
            let session = try Session(model, resuming: path, capacity: 256)
            let options = Session.Options(sampling: .init(), maximumTokens: 20)
            let answer = try session.answer([.text(question)], options: options)
            let fresh = try Session(model, capacity: 256)
            let expected = try fresh.answer(
                [.image(picture), .text("This is a picture. "), .text(question)], options: options)
            #expect(answer.tokens == expected.tokens && !answer.tokens.isEmpty)
            #expect(answer.promptTokens < expected.promptTokens - picture.grid.h)
            #expect(try cache(session) == cache(fresh))
        }
    }

    @Test func onlyWhatIsFilledIsStored() throws {
        let model = try demo()
        let options = Session.Options(sampling: .init(), maximumTokens: 4)
        let sizes = try [64, 512].map { capacity in
            let session = try Session(model, capacity: capacity)
            _ = try session.answer([.text(question)], options: options)
            return try readFile(save(session)).count
        }
        #expect(sizes[0] == sizes[1])
        let empty = try Session(model, resuming: save(Session(model, capacity: 64)), capacity: 64)
        let answer = try empty.answer([.text(question)], options: options)
        #expect(
            answer.tokens
                == (try Session(model, capacity: 64).answer([.text(question)], options: options).tokens))
    }

    @Test func othersAreRefused() throws {
        let model = try demo()
        let session = try Session(model, capacity: 64)
        let options = Session.Options(sampling: .init(), maximumTokens: 4)
        _ = try session.answer([.text(question)], options: options)
        let path = try save(session)
        let int8 = refusal {
            try Session(Model(Bundled.demoInt8.get(), .init(threads: 2)), resuming: path, capacity: 64)
        }
        #expect(int8?.kind == .badInput && int8?.message.contains("another model") == true)
        #expect(int8?.file == path)
        let exact = refusal {
            try Session(demo(.init(threads: 2, cachePrecision: .float32)), resuming: path, capacity: 64)
        }
        #expect(exact?.kind == .badInput && exact?.remedy?.contains("--cache-type f16") == true)
        let codes = refusal {
            try Session(demo(.init(threads: 2, cachePrecision: .int8)), resuming: path, capacity: 64)
        }
        #expect(codes?.kind == .badInput && codes?.remedy?.contains("--cache-type f16") == true)
        let small = refusal { try Session(model, resuming: path, capacity: 8) }
        #expect(small?.kind == .limit && small?.remedy?.contains("--ctx-size") == true)
        #expect(refusal { try Session(model, resuming: directory.path, capacity: 8) }?.kind == .badInput)
        #expect(refusal { try Session(model, resuming: path + "0", capacity: 8) }?.kind == .io)
        let bundle = refusal { try Session(model, resuming: Bundled.demo.get(), capacity: 8) }
        #expect(bundle?.message == "is no saved session")
    }

    @Test func damageIsFound() throws {
        let model = try demo()
        let session = try Session(model, capacity: 64)
        _ = try session.answer([.text("x")], options: .init(sampling: .init(), maximumTokens: 1))
        let whole = try readFile(save(session))
        let path = directory.file("damaged")
        func expectRefusal(_ bytes: [UInt8], _ what: String) throws {
            try putFile(path, bytes)
            let refusal = refusal { try Session(model, resuming: path, capacity: 64) }
            #expect(refusal?.kind == .badInput && refusal?.file == path, "\(what)")
        }
        let places = Array(0..<400) + Array(stride(from: 400, to: whole.count, by: 97)) + [whole.count - 1]
        for place in places {
            var bytes = whole
            bytes[place] ^= 0x10
            try expectRefusal(bytes, "byte \(place)")
        }
        for length in [0, 7, 8, 100, 255, 256, 300, whole.count - 1] {
            try expectRefusal(Array(whole.prefix(length)), "\(length) bytes")
        }
        try expectRefusal(whole + [0], "a byte more")
    }

    /// Files whose digests are right.
    @Test(
        arguments: [
            ("cache_type", "f64", "cache_type"), ("cached", -1, "cached"), ("cached", 3, "said"),
            ("cached", .int(.max), "cached"), ("prompt_length", "1", "prompt_length"), ("turn", -2, "turn"),
            ("said", [1, 2], "said"), ("said", .null, "said"), ("said", [-1], "said"),
            ("visuals", [7], "visuals"),
            (
                "visuals",
                [
                    .pairs([
                        "medium": "image", "grid": [1, 4, 4], "seconds_per_frame": 1, "timestamps": [],
                    ])
                ], "visuals"
            ),
            (
                "visuals",
                [
                    .pairs([
                        "medium": "image", "grid": [.int(.max), 4, 4], "seconds_per_frame": 1,
                        "timestamps": [],
                    ])
                ], "visuals"
            ), ("messages", [.pairs(["role": "user"])], "messages"), ("messages", "x", "messages"),
            ("messages", [.pairs(["role": "user", "parts": [.pairs(["type": "image"])]])], "messages"),
            (
                "messages",
                [
                    .pairs([
                        "role": "user",
                        "parts": [.pairs(["type": "said", "text": "x", "tokens": [99_999_999]])],
                    ])
                ], "messages"
            ), ("tools", [], "tools"), ("sampler", .pairs(["temperature": 1e300]), "sampler"),
        ] as [(String, JSON, String)])
    func lettersAreNotBelieved(key: String, value: JSON, place: String) throws {
        let model = try demo()
        let session = try Session(model, capacity: 64)
        _ = try session.answer(
            [.text(question)], options: .init(sampling: .init(temperature: 1), maximumTokens: 4))
        let saved = SavedSession(session.state, tools: nil, variables: [:], session.context)
        let path = directory.file("forged")
        try SessionFile.write(
            to: OutputPath(path, inputs: []), model: model.bundle.digest,
            conversation: Array(saved.json.setting(key, to: value).serialized().utf8), read: [],
            cache: session.context.cache)
        let refusal = refusal { try Session(model, resuming: path, capacity: 64) }
        #expect(refusal?.kind == .badInput && refusal?.file == path)
        #expect(refusal?.place == "conversation.\(place)", "\(String(describing: refusal))")
    }

    /// Sections that do not fit what is said of them.
    @Test func sectionsAreNotBelieved() throws {
        let model = try demo()
        let (session, other) = (try Session(model, capacity: 64), try Session(model, capacity: 64))
        let options = Session.Options(sampling: .init(), maximumTokens: 4)
        _ = try session.answer([.text(question)], options: options)
        _ = try other.answer([.text("x")], options: options)
        let saved = SavedSession(session.state, tools: nil, variables: [:], session.context)
        for (read, cache) in [([], other.context.cache), ([0, 0, 0, 0], session.context.cache)]
            as [([UInt8], SequenceCache)]
        {
            let path = directory.file("forged\(read.count)")
            try SessionFile.write(
                to: OutputPath(path, inputs: []), model: model.bundle.digest,
                conversation: Array(saved.json.serialized().utf8), read: read, cache: cache)
            let refusal = refusal { try Session(model, resuming: path, capacity: 64) }
            #expect(refusal?.kind == .badInput && refusal?.file == path, "\(String(describing: refusal))")
        }
    }
}
