import Generations
import Prompts
import Storage
import TestSupport
import Testing

/// What converters write of prompts is what `formats/prompt.schema.json` allows.
@Suite struct PromptSchemaTests {
    @Test(arguments: Fixtures.published)
    func metadataAreAsTheSchemaSays(fixture: String) throws {
        let schema = try Schema(format: "prompt.schema.json")
        let model = try imported(fixture, Fixtures.path("\(fixture)/published"))
        var objects = 0
        let faults = schema.faults(in: model.metadata(sources: [], recipe: .null)) { _ in objects += 1 }
        #expect(faults == [])
        #expect(objects >= 7)
    }

    @Test func whatNoFixtureStatesIsAllowedToo() throws {
        let schema = try Schema(format: "prompt.schema.json")
        let model = try imported("qwen3-vl", Fixtures.path("qwen3-vl/published"))
        var prompt = model.prompt
        prompt.videos?.cap = 768
        prompt.videos?.sampling.fixedCount = 12
        prompt.template.content = .parts
        let metadata = JSON.pairs(["prompt": prompt.json, "notes": "anything"])
        #expect(schema.faults(in: metadata) == [])
        #expect(try PromptSettings(json: prompt.json) == prompt)
    }

    @Test func theSchemaFindsFaults() throws {
        let schema = try Schema(format: "prompt.schema.json")
        let model = try imported("qwen-vl", Fixtures.path("qwen-vl/published"))
        let prompt = model.prompt.json
        let images = try #require(prompt["image_processing"])
        let lone = JSON.object((images.members ?? []).filter { $0.key != "tokens" })
        let wrong: [(JSON, String)] = [
            (prompt.setting("surprise", to: 1), "prompt: has 'surprise', which is unknown"),
            (prompt.setting("image_token", to: -1), "prompt.image_token: is too small"),
            (prompt.setting("coordinates", to: "miles"), "prompt.coordinates: is none of the choices"),
            (prompt.setting("image_processing", to: lone), "prompt.image_processing: has 'side' alone"),
        ]
        for (prompt, fault) in wrong {
            #expect(schema.faults(in: .pairs(["prompt": prompt])).contains(fault), "\(fault)")
        }
    }
}
