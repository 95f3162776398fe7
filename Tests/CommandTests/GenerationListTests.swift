import Checkpoints
import Formats
import Generations
import Storage
import TestSupport
import Testing

/// The lists that cannot be made from one another name the same, and each generation has what `docs/adding-a-generation.md` says.
@Suite struct GenerationListTests {
    private static let root = Fixtures.path("../..")

    private func names(in folder: String, with ending: String) throws -> Set<String> {
        let files = try Path.list(Path.join(Self.root, folder)).filter { $0.hasSuffix(ending) }
        return Set(files.map { String($0.dropLast(ending.count)) })
    }

    @Test(arguments: Converter.all.map(\.name)) func everyGenerationIsComplete(name: String) throws {
        let converter = try #require(Converter.all.first { $0.name == name })
        let help = try run(converter.command, "--help")
        #expect(help.status == 0 && help.output.contains("USAGE: tessera-from-\(name) "))
        #expect(help.output.contains("Convert a published \(converter.checkpoint) into one bundle."))
        #expect(Fixtures.published.contains(name))
        #expect(CheckpointManifest.publishedNames.contains { $0.hasPrefix(converter.family) })
        for (file, row) in [
            ("README.md", "`\(converter.command)` |"),
            ("docs/adding-a-generation.md", "| \(converter.family) | `\(name).json`"),
        ] {
            let text = String(decoding: try readFile(Path.join(Self.root, file)), as: UTF8.self)
            #expect(text.contains(row), "\(file) has no row with \(row)")
        }
    }

    @Test func everyCommandAndTableIsOfAGeneration() throws {
        let all = Converter.all.map(\.name)
        #expect(Set(all).count == all.count)
        let commands = try Path.list(Path.join(Self.root, "Sources")).filter { $0.hasPrefix("tessera-from-") }
        #expect(Set(commands) == Set(Converter.all.map(\.command)))
        #expect(Formats.nameTables.map(\.name) == all)
        for fixture in Fixtures.published { _ = try generation(of: fixture) }
    }

    @Test func everyEmbeddedFileIsFound() throws {
        #expect(try names(in: "formats/checkpoints", with: ".json") == Set(Formats.checkpoints.map(\.name)))
        #expect(try names(in: "formats/recipes", with: ".json") == Set(Formats.recipes.map(\.name)))
        #expect(
            try names(in: "formats/chat-templates", with: ".jinja") == Set(Formats.chatTemplates.map(\.name)))
    }
}
