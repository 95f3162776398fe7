import GraphIR
import GroupFormats
import Quantization
import Storage
import Testing

private func recipe(_ text: String) throws(Failure) -> Recipe {
    try Recipe(json: JSON(parsing: Array(text.utf8)))
}

private func use(_ role: String, block: Int? = nil) -> Operation.WeightUse {
    Operation.WeightUse("w", Role(role), block: block)
}

@Suite struct RecipeTests {
    @Test func theFirstRuleThatFitsDecides() throws {
        let recipe = try recipe(
            """
            {"name": "mine", "rules": [
                {"roles": "text.mlp.*", "blocks": "0-1,27", "encoding": "keep"},
                {"roles": ["text.mlp.*", "text.attention.*"], "encoding": {"bits": 4, "group": 16}, "solver": "rtn"},
                {"roles": "text.*", "encoding": {"bits": 4, "group": 64}}],
             "default": {"encoding": {"bits": 8, "group": 128}}}
            """)
        let fine = Recipe.Choice.groups(try format(.four, 16), .nearest)
        #expect(recipe.choice(for: [use("text.mlp.up", block: 1)]) == .keep)
        #expect(recipe.choice(for: [use("text.mlp.up", block: 27)]) == .keep)
        #expect(recipe.choice(for: [use("text.mlp.up", block: 2)]) == fine)
        #expect(recipe.choice(for: [use("text.mlp.up")]) == fine)
        #expect(recipe.choice(for: [use("text.attention.q", block: 0)]) == fine)
        #expect(recipe.choice(for: [use("text.head")]) == .groups(try format(.four, 64), nil))
        #expect(
            recipe.choice(for: [use("vision.mlp.up", block: 0)]) == .groups(try format(.eight, 128), nil))
        #expect(recipe.choice(for: []) == nil)
    }

    @Test func sharedWeightsGetTheMostPreciseChoice() throws {
        let recipe = try recipe(
            """
            {"name": "tied", "rules": [
                {"roles": "a", "encoding": {"bits": 4, "group": 32}, "solver": "rtn"},
                {"roles": "b", "encoding": {"bits": 4, "group": 32}},
                {"roles": "c", "encoding": {"bits": 4, "group": 16}},
                {"roles": "d", "encoding": {"bits": 8, "group": 128}},
                {"roles": "e", "encoding": "keep"}]}
            """)
        let ladder = ["a", "b", "c", "d", "e"]
        for (index, role) in ladder.enumerated() {
            let alone = recipe.choice(for: [use(role)])
            #expect(recipe.choice(for: ladder[...index].map { use($0) }) == alone)
            #expect(recipe.choice(for: ladder[...index].reversed().map { use($0) }) == alone)
        }
    }

    @Test func writesWhatItReads() throws {
        let recipe = Recipe(
            "mine", summary: "For me.",
            rules: [
                .init(["a.*", "b"], blocks: BlockSet("3,5-7"), .groups(try format(.four, 16), .nearest)),
                .init(["c"], .keep),
            ], fallback: .groups(try format(.eight, 64), nil), targetBits: 4.5,
            steps: [.turnResidual, .fold])
        #expect(try Recipe(json: recipe.json) == recipe)
        #expect(try Recipe(json: Recipe("empty", rules: []).json) == Recipe("empty", rules: []))
    }

    @Test(arguments: Recipe.names)
    func knowsItsOwn(name: String) throws {
        let recipe = try Recipe(named: name)
        #expect(recipe.name == name)
        #expect(!recipe.summary.isEmpty)
        let solver: Solver? = name == "int4-fast" ? .search : nil
        let eight = Recipe.Choice.groups(try format(.eight, 32), solver)
        for role in [
            "text.embedding", "text.head", "vision.patch_embed", "vision.mlp.down", "vision.merger.up",
        ] {
            #expect(recipe.choice(for: [use(role)]) == eight)
        }
        let four = Recipe.Choice.groups(try format(.four, 32), solver)
        let linear = ["int4", "int4-fast"].contains(name) ? four : eight
        for role in ["text.attention.q", "text.mlp.down"] {
            #expect(recipe.choice(for: [use(role, block: 3)]) == linear)
        }
    }

    @Test func saysWhichRecipesThereAre() {
        let error = #expect(throws: Failure.self) { try Recipe(named: "int3") }
        #expect(error?.kind == .usage)
        #expect(error?.remedy?.contains("int8, int4, int4-fast, int4-best") == true)
    }

    @Test(arguments: [
        ("[]", "recipe", "is no object"),
        (#"{"rules": []}"#, "recipe", "has no name"),
        (#"{"name": "x"}"#, "recipe.rules", "is no list"),
        (#"{"name": "x", "rules": [], "bits": 4}"#, "recipe", "the key 'bits' is unknown"),
        (#"{"name": "x", "rules": [], "description": 4}"#, "recipe.description", "is no text"),
        (#"{"name": "x", "rules": [], "target_bits": 0}"#, "recipe.target_bits", "is no number from 1 to 16"),
        (#"{"name": "x", "rules": [], "steps": "fold"}"#, "recipe.steps", "is no list"),
        (
            #"{"name": "x", "rules": [], "steps": ["turn"]}"#, "recipe.steps",
            "'turn' is unknown; there are turn-residual, fold"
        ),
        (#"{"name": "x", "rules": [4]}"#, "recipe.rules[0]", "is no object"),
        (#"{"name": "x", "rules": [{"encoding": "keep"}]}"#, "recipe.rules[0].roles", "is neither a pattern"),
        (
            #"{"name": "x", "rules": [{"roles": [], "encoding": "keep"}]}"#, "recipe.rules[0].roles",
            "is neither"
        ),
        (#"{"name": "x", "rules": [{"roles": "a"}]}"#, "recipe.rules[0].encoding", "is missing"),
        (
            #"{"name": "x", "rules": [{"role": "a", "encoding": "keep"}]}"#, "recipe.rules[0]",
            "the key 'role'"
        ),
        (
            #"{"name": "x", "rules": [{"roles": "a", "encoding": "int4"}]}"#, "recipe.rules[0].encoding",
            "is neither"
        ),
        (
            #"{"name": "x", "rules": [{"roles": "a", "encoding": {"bits": 7, "group": 32}}]}"#,
            "recipe.rules[0].encoding", "no such groups"
        ),
        (
            #"{"name": "x", "rules": [{"roles": "a", "encoding": {"bands": [{"bits": 8, "group": 32}]}}]}"#,
            "recipe.rules[0].encoding.bands", "do not follow"
        ),
        (
            #"{"name": "x", "rules": [{"roles": "a", "encoding": {"bands": [{"bits": 8, "group": 32}, {"bits": 4, "group": 32}]}}]}"#,
            "recipe.rules[0].encoding.bands[1]", "is no number"
        ),
        (
            #"{"name": "x", "rules": [{"roles": "a", "encoding": {"bands": [{"bits": 8, "group": 8}]}}]}"#,
            "recipe.rules[0].encoding.bands[0]", "no such groups"
        ),
        (
            #"{"name": "x", "rules": [{"roles": "a", "encoding": {"bits": 8, "group": 8}}]}"#,
            "recipe.rules[0].encoding", "no such groups"
        ),
        (
            #"{"name": "x", "rules": [{"roles": "a", "encoding": {"bits": 4, "group": 32, "sym": true}}]}"#,
            "recipe.rules[0].encoding", "the key 'sym'"
        ),
        (
            #"{"name": "x", "rules": [], "default": {"encoding": {"bits": 4, "group": 32}, "solver": "magic"}}"#,
            "recipe.default.solver", "'magic' is unknown"
        ),
        (
            #"{"name": "x", "rules": [], "default": {"encoding": "keep", "solver": "rtn"}}"#,
            "recipe.default.solver", "means nothing"
        ),
        (#"{"name": "x", "rules": [], "default": {"roles": "a"}}"#, "recipe.default", "the key 'roles'"),
        (
            #"{"name": "x", "rules": [{"roles": "a", "blocks": "3-1", "encoding": "keep"}]}"#,
            "recipe.rules[0].blocks", "'3-1'"
        ),
        (
            #"{"name": "x", "rules": [{"roles": "a", "blocks": 3, "encoding": "keep"}]}"#,
            "recipe.rules[0].blocks",
            "is no text"
        ),
    ])
    func refuses(text: String, place: String, message: String) {
        let error = #expect(throws: Failure.self) { try recipe(text) }
        #expect(error?.kind == .badInput)
        #expect(error?.place == place)
        #expect(error?.message.contains(message) == true)
    }

    @Test(arguments: ["", "-", "1-", "-1", "1-2-3", "1,,2", "a", "+1", " 1", "99999999999999999999", "3-2"])
    func refusesBlocks(text: String) {
        #expect(BlockSet(text) == nil)
    }

    /// The widest range there is: it has more numbers than an integer can count.
    @Test func theWidestBlocksReadBack() throws {
        let text =
            #"{"name": "x", "rules": [{"roles": "a", "blocks": "0-9223372036854775807", "encoding": "keep"}]}"#
        let recipe = try Recipe(json: JSON(parsing: Array(text.utf8)))
        #expect(try Recipe(json: recipe.json) == recipe)
        #expect(recipe.json["rules"]?.array?.first?["blocks"] == "0-9223372036854775807")
    }
}
