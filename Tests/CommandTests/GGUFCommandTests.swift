import Storage
import TestSupport
import Testing

/// The commands on a model in GGUF, as a user gives it.
@Suite struct GGUFCommandTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test func bothFilesBecomeOneBundle() throws {
        let text = try GGUFTwin(of: "demo-qwen2-vl").write(to: directory.path)
        let output = directory.file("out.tessera")
        let converted = try run("tessera-from-qwen2-vl", text, "-o", output)
        #expect(converted.status == 0, "\(converted.errors)")
        #expect(converted.errors.contains("0 unused, 0 missing"))
        let shown = try run("tessera-inspect", output, "--json")
        let sources = try JSON(parsing: Array(shown.output.utf8))["metadata"]?["provenance"]?["sources"]?
            .array
        #expect(sources?.compactMap { $0["file"]?.string } == ["text.gguf", "mmproj.gguf"])
        for (source, name) in zip(sources ?? [], ["text.gguf", "mmproj.gguf"]) {
            let digest = try SHA256.digest(try readFile(directory.file(name)))
            #expect(source["sha256"]?.string == digest.description)
        }
        // The vision part is an input as well: it is never written.
        let onto = try run("tessera-from-qwen2-vl", text, "-o", directory.file("mmproj.gguf"), "--force")
        #expect(onto.status == 2)
    }

    @Test func whatIsRefused() throws {
        let twin = try GGUFTwin(of: "demo-qwen2-vl")
        let text = try twin.write(to: directory.path)
        let other = try run("tessera-from-qwen3-vl", text, "--dry-run")
        #expect(other.status == 3 && other.errors.contains("use tessera-from-qwen2-vl"), "\(other.errors)")
        removeFile(directory.file("mmproj.gguf"))
        let blind = try run("tessera-from-qwen2-vl", text, "--dry-run")
        #expect(blind.status == 3 && blind.errors.contains("holds no mmproj"), "\(blind.errors)")
        let elsewhere = try TemporaryDirectory()
        try putFile(elsewhere.file("vision.gguf"), twin.vision.bytes)
        let named = try run(
            "tessera-from-qwen2-vl", text, "--mmproj", elsewhere.file("vision.gguf"), "--dry-run")
        #expect(named.status == 0, "\(named.errors)")
    }

    @Test func inspected() throws {
        _ = try GGUFTwin(of: "qwen2.5-vl/published").write(to: directory.path)
        let outcome = try run("tessera-inspect", "checkpoint", directory.path, "--json")
        let json = try JSON(parsing: Array(outcome.output.utf8))
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(json["command"] == "tessera-from-qwen2.5-vl" && json["container"] == "gguf")
        #expect(json["types"]?["F32"]?.int ?? 0 > 0 && json["types"]?["BF16"]?.int ?? 0 > 0)
        #expect(json["files"] == ["text.gguf", "mmproj.gguf"])
        #expect(json["tokenizer"]?["files"] == ["text.gguf"])
    }
}
