import Storage
import TestSupport
import Testing

/// What `tessera-inspect checkpoint` says before anything is converted.
@Suite struct InspectCheckpointTests {
    private func report(_ path: String, _ options: String...) throws -> (
        status: Int32, json: JSON, errors: String
    ) {
        let outcome = try run("tessera-inspect", arguments: ["checkpoint", path, "--json"] + options)
        return (outcome.status, try JSON(parsing: Array(outcome.output.utf8)), outcome.errors)
    }

    @Test(arguments: Fixtures.published) func everyGeneration(fixture: String) throws {
        let generation = try generation(of: fixture)
        let path = Fixtures.path("\(fixture)/published")
        let (status, json, errors) = try report(path)
        #expect(status == 0, "\(errors)")
        #expect(json["kind"]?.string == generation)
        #expect(json["convertible"] == true)
        #expect(json["command"]?.string == "tessera-from-\(generation)")
        #expect(json["container"]?.string == (fixture == "qwen-vl" ? "pytorch" : "safetensors"))
        // The sizes are those of a dry run.
        let dry = try run("tessera-from-\(generation)", path, "--dry-run", "--json")
        #expect(try JSON(parsing: Array(dry.output.utf8))["recipes"] == json["recipes"])
        let text = try run("tessera-inspect", "checkpoint", path)
        #expect(text.status == 0)
        #expect(text.output.contains("tessera-from-\(generation) \(path) -o"))
    }

    /// Everything that is odd about a folder, at once, and why it is refused.
    @Test func anOddFolder() throws {
        let copy = try CheckpointCopy("qwen2-vl/published")
        try putFile(
            copy.directory.file("adapter_config.json"), Array(#"{"base_model_name_or_path":"base"}"#.utf8))
        try putFile(copy.directory.file("optimizer.pt"), [1])
        try putFile(copy.directory.file("tokenizer.json"), Array("{".utf8))
        let (status, json, errors) = try report(copy.path)
        #expect(status == 3)
        #expect(errors.contains("--weights model.safetensors.index.json"), "\(errors)")
        #expect(json["refusal"]?.string?.contains("an adapter") == true)
        #expect(json["adapter_of"] == "base")
        #expect(json["training"] == ["optimizer.pt"])
        #expect(json["tokenizer"]?["ids"] == nil)
        #expect(json["warnings"]?.strings?.contains { $0.contains("tokenizer.json") } == true)
        // Told which weights, the tokenizer remains.
        let (again, chosen, _) = try report(copy.path, "--weights", "model.safetensors.index.json")
        #expect(again == 3)
        #expect(chosen["refusal"]?.string?.contains("tokenizer.json") == true)
        #expect(chosen["tensors"]?.int ?? 0 > 0)
        removeFile(copy.directory.file("tokenizer.json"))
        #expect(try report(copy.path, "--weights", "model.safetensors.index.json").status == 0)
    }

    /// Whatever is given, there is a report.
    @Test func whateverIsGiven() throws {
        let directory = try TemporaryDirectory()
        for (name, text) in [("a.gguf", "GGUF"), ("b", ""), ("c.json", "{}")] {
            try putFile(directory.file(name), Array(text.utf8))
            let (status, json, _) = try report(directory.file(name))
            #expect(status == 3)
            #expect(json["convertible"] == false)
            #expect(json["refusal"]?.string != nil)
        }
        #expect(try report(directory.file("absent")).status == 3)
        for config in ["[]", "{", "{}", #"{"model_type":7}"#, #"{"model_type":"qwen2_vl"}"#] {
            try putFile(directory.file("config.json"), Array(config.utf8))
            let (status, json, _) = try report(directory.path)
            #expect(status == 3)
            #expect(json["refusal"]?.string != nil)
        }
    }

    /// The set that is chosen is the one that is converted.
    @Test func chosenWeightsAreConverted() throws {
        let copy = try CheckpointCopy()
        let bytes = try readFile(copy.directory.file("model.safetensors"))
        try putFile(copy.directory.file("other.safetensors"), bytes)
        let output = copy.directory.file("out.tessera")
        let silent = try run("tessera-from-qwen2-vl", copy.path, "-o", output)
        #expect(silent.status == 0)
        #expect(
            silent.errors.contains("model.safetensors is read, as transformers does, not 'other.safetensors'")
        )
        let chosen = try run(
            "tessera-from-qwen2-vl", copy.path, "-o", output, "--force", "--weights", "other.safetensors")
        #expect(chosen.status == 0)
        #expect(!chosen.errors.contains("several sets"))
        let shown = try run("tessera-inspect", output)
        #expect(shown.output.contains("source       other.safetensors"))
    }
}
