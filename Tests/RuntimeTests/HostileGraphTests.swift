import Bundles
import Runtime
import Storage
import Tessera
import TestSupport
import Testing

/// Bundles whose digests are right but whose graphs would make the runtime read or write what is not there.
@Suite(.serialized) struct HostileGraphTests {
    @Test(arguments: [
        // More indices than the runtime gives.
        (
            "\"name\":\"outputs\",\"type\":\"index[outputs]\"",
            "\"name\":\"outputs\",\"type\":\"index[tokens]\""
        ),
        ("\"type\":\"index[3, tokens]\"", "\"type\":\"index[1000000000000, tokens]\""),
        ("\"type\":\"float[visuals, 128]\"", "\"type\":\"float[tokens, 128]\""),
        ("\"type\":\"index[2, patches]\"", "\"type\":\"index[2, segments]\""),
        ("\"type\":\"index[segments]\"", "\"type\":\"index[patches]\""),
        ("\"type\":\"float[patches, 1176]\"", "\"type\":\"float[9223372036854775807, 1176]\""),
        // Two layers in one place of the cache.
        ("\"causal_layer\":1", "\"causal_layer\":0"),
        // A tower that remembers.
        ("\"segments\":true", "\"causal_layer\":9"),
        // Weights that are not there, or not of that shape.
        ("text.block.0.mlp.up.weight", "text.block.0.mlp.un.weight"),
        ("\"name\":\"text.norm.weight\",\"shape\":[128]", "\"name\":\"text.norm.weight\",\"shape\":[129]"),
        // Merging until the divisor overflows.
        ("\"factor\":4", "\"factor\":1099511627775"),
    ])
    func isRefused(original: String, forged: String) throws {
        let directory = try TemporaryDirectory()
        let path = try forge("demo-qwen2-vl", [(original, forged)], at: directory.file("forged.tessera"))
        let failure = #expect(throws: Failure.self) {
            let model = try Model(path, .init(threads: 1))
            _ = try TextContext(model.engine, capacity: 16)
        }
        #expect(failure?.kind == .badInput || failure?.kind == .limit)
    }

    /// Rows that are no tokens', kept in the cache: far more than it has room for.
    @Test func onlyTokensAreKeptInTheCache() throws {
        let directory = try TemporaryDirectory()
        let attention = """
            {"op":"parameter","operands":[],"weight":"text.embedding.weight","result":"rows"},\
            {"op":"attention","operands":["rows","rows","rows"],"heads":1,"key_heads":1,"head_dimension":128,\
            "causal_layer":99,"result":"kept"},{"op":"embedding"
            """
        let path = try forge(
            "demo-qwen2-vl", [("{\"op\":\"embedding\"", attention)], at: directory.file("forged.tessera"))
        let failure = #expect(throws: Failure.self) { _ = try Model(path, .init(threads: 1)) }
        #expect(failure?.kind == .badInput)
        #expect(failure?.place == "graph 'text', value 'kept'")
    }

    @Test func theForgeryItselfIsSound() throws {
        let directory = try TemporaryDirectory()
        let path = try forge(
            "demo-qwen2-vl", [("\"name\":\"text\"", "\"name\": \"text\"")],
            at: directory.file("forged.tessera"))
        let model = try Model(path, .init(threads: 1))
        let context = try TextContext(model.engine, capacity: 16)
        #expect(try context.evaluate(.init(tokens: [1], positions: [0, 0, 0])).count == 1)
    }
}
