import Bundles
import Storage
import TestSupport
import Testing

/// Bundles whose digests are right and whose graphs are not: what verifies a bundle and what runs it refuse them alike.
@Suite struct HostileBundleTests {
    /// The demo's bundle with a changed graph.
    private func forge(_ original: String, _ forged: String, in directory: TemporaryDirectory) throws
        -> String
    {
        let honest = directory.file("honest.tessera")
        #expect(try run("tessera-from-qwen2-vl", Fixtures.path("demo-qwen2-vl"), "-o", honest).status == 0)
        let source = try Bundle(honest)
        let text = try source.graphJSON.serialized()
        let range = try #require(text.firstRange(of: original))
        let graph = text[..<range.lowerBound] + forged + text[range.upperBound...]
        let path = directory.file("forged.tessera")
        let writer = try BundleWriter(
            OutputPath(path, replacing: true, inputs: []), fingerprint: .null,
            plan: source.tensors.map(\.description))
        for (index, tensor) in source.tensors.enumerated() {
            try writer.append(source.bytes(of: tensor).bytes, to: index)
        }
        _ = try writer.finish(
            graph: JSON(parsing: Array(graph.utf8)), metadata: source.metadata, tokenizer: source.tokenizer)
        return path
    }

    @Test func whatWouldWriteOutsideTheCacheIsRefused() throws {
        let directory = try TemporaryDirectory()
        let path = try forge(
            "{\"op\":\"embedding\"",
            """
            {"op":"parameter","operands":[],"weight":"text.embedding.weight","result":"rows"},\
            {"op":"attention","operands":["rows","rows","rows"],"heads":1,"key_heads":1,"head_dimension":128,\
            "causal_layer":99,"result":"kept"},{"op":"embedding"
            """, in: directory)
        for outcome in [
            try run("tessera-inspect", path, "--verify"),
            try run("tessera-run", path, "-p", "A", "-n", "1", "--ctx-size", "64"),
        ] {
            #expect(outcome.status == 3)
            #expect(outcome.errors.contains("graph 'text', value 'kept'"), "\(outcome.errors)")
            #expect(outcome.output.isEmpty)
        }
    }

    /// A graph that is sound by itself, but not with these weights: ten times the tokens.
    @Test func verifyingLooksAtWeightsAsARunDoes() throws {
        let directory = try TemporaryDirectory()
        let path = try forge(
            "\"name\":\"text.embedding.weight\",\"shape\":[",
            "\"name\":\"text.embedding.weight\",\"shape\":[1",
            in: directory)
        let outcome = try run("tessera-inspect", path, "--verify")
        #expect(outcome.status == 3)
        #expect(outcome.errors.contains("tensor 'text.embedding.weight'"), "\(outcome.errors)")
    }
}
