import GraphIR
import GroupFormats
import Quantization
import Storage
import TestSupport
import Testing

/// Rules that can never apply to a model.
@Suite struct RecipeRuleTests {
    /// Three blocks of an MLP's first linear, and the head.
    private func model() throws -> ModelGraph {
        var builder = ModelGraphBuilder()
        try builder.begin("text")
        var x = try builder.input("x", .rows(.symbol(.tokens), 16))
        for block in 0..<3 {
            let weight = try builder.weight("w\(block)", [16, 16])
            x = try builder.add(.linear(.init(.init(weight, Role("text.mlp.up"), block: block))), x)
        }
        let head = try builder.weight("head", [16, 16])
        try builder.output(try builder.add(.linear(.init(.init(head, Role("text.head")))), x))
        return try builder.finish()
    }

    private func failure(_ rules: String) throws -> Failure? {
        let recipe = try Recipe(json: JSON(parsing: Array(#"{"name": "r", "rules": [\#(rules)]}"#.utf8)))
        do { try recipe.checkRules(for: model()) } catch { return error as? Failure }
        return nil
    }

    @Test(arguments: [
        // A role that no model has, alone or beside others.
        (#"{"roles": "text.mpl.*", "encoding": "keep"}"#, "recipe.rules[0].roles", "'text.mpl.*'"),
        (#"{"roles": ["text.head", "txet.*"], "encoding": "keep"}"#, "recipe.rules[0].roles", "'txet.*'"),
        (#"{"roles": "w0", "encoding": "keep"}"#, "recipe.rules[0].roles", "'w0'"),
        // Blocks that the model does not have.
        (
            #"{"roles": "text.mlp.*", "blocks": "3-9", "encoding": "keep"}"#, "recipe.rules[0].blocks",
            "blocks 0-2"
        ),
        (
            #"{"roles": "text.head", "blocks": "0", "encoding": "keep"}"#, "recipe.rules[0].blocks",
            "no block 0"
        ),
        // What an earlier rule decides, or several do together.
        (
            #"{"roles": "text.*", "encoding": "keep"}, {"roles": "text.head", "encoding": "keep"}"#,
            "recipe.rules[1]", "rules[0] before it"
        ),
        (
            #"{"roles": "*", "blocks": "0-1", "encoding": "keep"}, {"roles": "*.mlp.*", "blocks": "2", "encoding": "keep"}, {"roles": "text.mlp.up", "encoding": "keep"}"#,
            "recipe.rules[2]", "rules[0], rules[1] before it"
        ),
    ])
    func areRefused(rules: String, place: String, words: String) throws {
        let failure = try #require(try failure(rules))
        #expect(failure.kind == .badInput && failure.place == place)
        #expect(failure.message.contains("can never apply") && failure.message.contains(words))
    }

    @Test(arguments: [
        #"{"roles": "text.mlp.*", "blocks": "0-1", "encoding": "keep"}, {"roles": "text.*", "encoding": "keep"}"#,
        #"{"roles": "text.mlp.up", "blocks": "2-90", "encoding": "keep"}"#,
        // For other models.
        #"{"roles": ["text.experts.*", "vision.feature.up"], "encoding": "keep"}"#,
        #"{"roles": "vision.mlp.up", "blocks": "7", "encoding": "keep"}"#,
        #"{"roles": "*", "encoding": "keep"}"#,
    ])
    func othersMayStay(rules: String) throws {
        #expect(try failure(rules) == nil)
    }

    @Test func theFileIsNamed() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("r.json")
        try writeFile(
            path, Array(#"{"name": "r", "rules": [{"roles": "text.mpl", "encoding": "keep"}]}"#.utf8))
        let model = try model()
        let failure = #expect(throws: Failure.self) { try Recipe(named: path, for: model) }
        #expect(failure?.file == path)
        for name in Recipe.names { _ = try Recipe(named: name, for: model) }
    }
}
