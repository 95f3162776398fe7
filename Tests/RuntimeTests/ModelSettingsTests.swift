import Generations
import Prompts
import Runtime
import Storage
import TestSupport
import Testing

@testable import Tessera

/// Metadata that this version does not understand are refused, by name and place (`formats/prompt.md`).
@Suite struct ModelSettingsTests {
    private func metadata(_ fixture: String) throws -> JSON {
        try ImportedModel.ofAnyGeneration(Fixtures.path("\(fixture)/published"))
            .metadata(sources: [], recipe: .null)
    }

    /// `json` with a member more in the object that these keys lead to.
    private func adding(_ key: String, _ value: JSON, to json: JSON, at path: ArraySlice<String>) -> JSON {
        guard let first = path.first else { return json.setting(key, to: value) }
        return json.setting(
            first, to: adding(key, value, to: json[first] ?? .object([]), at: path.dropFirst()))
    }

    /// At every level; what the reader knows there is what the schema lists.
    @Test func unknownKeysAreRefused() throws {
        let schema = try Schema(format: "prompt.schema.json")
        var known: [String: Set<String>] = [:]
        var listed: [String: Set<String>] = [:]
        for fixture in Fixtures.published {
            let metadata = try metadata(fixture)
            _ = try ModelSettings(metadata: metadata)
            var objects: [Schema.Closed] = []
            let faults = schema.faults(in: metadata) { objects.append($0) }
            #expect(faults == [])
            for object in objects {
                let place = object.path.isEmpty ? "metadata" : object.path.joined(separator: ".")
                let altered = adding("surprise", 1, to: metadata, at: object.path[...])
                let error = try #require(throws: Failure.self, "\(place)") {
                    _ = try ModelSettings(metadata: altered)
                }
                #expect(error.kind == .badInput && error.place == place)
                #expect(error.message == "the key 'surprise' is unknown")
                let names = (error.remedy ?? "").dropFirst("known: ".count).split(separator: ", ")
                known[place, default: []].formUnion(names.map(String.init))
                listed[place] = object.keys
            }
        }
        // Of a video's frames no model has a fixed size.
        let frames = "prompt.video_processing.frames"
        listed[frames]?.subtract(["side", "tokens", "reading"])
        #expect(known == listed)
        #expect(listed.count == 11)
    }

    @Test func whatIsForPeopleIsFree() throws {
        var metadata = try metadata("qwen2-vl").setting("notes", to: ["anything"])
        metadata = adding("weather", "fine", to: metadata, at: ["provenance"])
        metadata = adding("license", "apache-2.0", to: metadata, at: ["general"])
        _ = try ModelSettings(metadata: metadata)
    }

    /// Only a prompt must be there, as in bundles of earlier versions.
    @Test func theRestMayBeLeftOut() throws {
        let prompt = try #require(try metadata("qwen3-vl")["prompt"])
        let settings = try ModelSettings(metadata: .pairs(["prompt": prompt]))
        #expect(settings.contextLimit == 32768 && settings.sampling == .init())
    }

    @Test(
        arguments: [
            ("prompt.chat_template", "content", 5), ("prompt.chat_template", "tokens", ["x"]),
            ("sampling", "do_sample", "yes"), ("sampling", "top_k", 2.5), ("sampling", "top_p", 2),
            ("general", "context_length", 0), ("prompt", "stop_tokens", 7), ("prompt", "image_token", -1),
            ("prompt.chat_template.tokens", "bos_token", 1), ("prompt.positions", "positions_per_second", 2),
            ("prompt.image_processing", "tokens", 4),
        ] as [(String, String, JSON)])
    func nonsenseIsRefused(object: String, key: String, value: JSON) throws {
        let metadata = adding("do_sample", true, to: try metadata("qwen2-vl"), at: ["sampling"])
        let path = object.split(separator: ".").map(String.init)
        let altered = adding(key, value, to: metadata, at: path[...])
        let error = try #require(throws: Failure.self) { _ = try ModelSettings(metadata: altered) }
        #expect(error.kind == .badInput && error.place?.hasPrefix(object) == true, "\(error)")
    }

    /// Also where nothing is drawn, so that nothing else looks at them.
    @Test(arguments: ["temperature", "top_k", "top_p", "min_p"])
    func numbersOfDrawingAreChecked(key: String) throws {
        for samples in [true, false] {
            var metadata = adding("do_sample", .bool(samples), to: try metadata("qwen2-vl"), at: ["sampling"])
            metadata = adding(key, "hot", to: metadata, at: ["sampling"])
            let error = try #require(throws: Failure.self) { _ = try ModelSettings(metadata: metadata) }
            #expect(error.kind == .badInput && error.place == "sampling.\(key)")
        }
    }

    @Test func provenanceIsAnObject() throws {
        let metadata = try metadata("qwen2-vl").setting("provenance", to: 5)
        let error = try #require(throws: Failure.self) { _ = try ModelSettings(metadata: metadata) }
        #expect(error.kind == .badInput && error.place == "provenance")
    }

    @Test func aBundleIsRefusedByName() throws {
        let directory = try TemporaryDirectory()
        let path = try makeBundle(
            Fixtures.path("qwen2-vl/published"), nil, at: directory.file("later.tessera")
        ) { metadata in adding("speech_processing", .object([]), to: metadata, at: ["prompt"]) }
        let error = try #require(throws: Failure.self) { _ = try Model(path) }
        #expect(error.kind == .badInput && error.file == path && error.place == "prompt")
        #expect(error.message.contains("speech_processing"))
    }
}
