import Bundles
import Calibration
import GraphIR
import GroupFormats
import Prompts
import Quantization
import Storage
import Tessera
import TestSupport
import Testing

/// Formats chosen for a budget, over every generation.
@Suite(.serialized) struct BudgetTests {
    private func spend(
        _ bits: Double, _ fixture: ProbedFixture, _ file: CalibrationFile,
        base: Recipe? = nil
    ) throws -> BudgetedRecipe {
        let base = try base ?? Recipe(named: "int4")
        let bundle = fixture.model.bundle
        let values = bundle.tensors.reduce(0) { $0 + $1.shape.count }
        let known = try Sensitivities(fixture.graph, bundle, file, threads: 2)
        return try BudgetedRecipe(
            base, summary: "", fixture.graph, bundle, known, budget: Int(bits / 8 * Double(values)),
            describe: { "\($0)" })
    }

    /// The average is what was asked for, within 0.02 bits, or the reason is given; and the rules stand for themselves: written and
    /// read again they make the same of every weight.
    @Test(arguments: Fixtures.published)
    func theBudgetIsSpentOrItIsSaidWhyNot(name: String) throws {
        let fixture = try ProbedFixture(name)
        try fixture.addUsual()
        let file = try fixture.calibrate()
        var exact = 0
        for bits in [5.5, 6, 6.5, 7, 7.5, 8, 8.5, 9, 16] {
            let spent: BudgetedRecipe
            do { spent = try spend(bits, fixture, file) } catch let error as Failure {
                #expect(error.kind == .limit, "\(bits): \(error)")
                continue
            }
            let left = bits - spent.plan.effectiveBits
            #expect(left >= 0, "\(bits)")
            #expect((left > 0.02) == (spent.shortfall != nil), "\(bits): \(left) \(spent.shortfall ?? "")")
            exact += left <= 0.02 ? 1 : 0
            try spent.recipe.checkRules(for: fixture.graph)
            let again = try QuantizationPlan(
                Recipe(json: spent.recipe.json), fixture.graph, BundleWeights(fixture.model.bundle).weights)
            #expect(again.descriptions == spent.plan.descriptions && again.idleRules.isEmpty)
        }
        #expect(exact >= 3)
        let most = try spend(16, fixture, file)
        #expect(most.shortfall?.contains("the best format that there is") == true)
    }

    /// Each feature of DeepStack gets the format that was chosen for it, not that of the first rule for all.
    @Test func featuresAreModulesOfTheirOwn() throws {
        let fixture = try ProbedFixture("qwen3-vl")
        let uses = fixture.graph.uses.filter { $0.role.matches("vision.feature.*") }
        #expect(uses.map(\.block) == [0, 0, 1, 1])
        try fixture.addUsual()
        let file = try fixture.calibrate()
        let differ = try [7.6, 7.9, 8.2, 8.5, 8.8].contains { bits in
            let plan = try spend(bits, fixture, file).plan
            let formats = uses.map { use in
                plan.items.first { $0.weight.name == use.weight }?.description.encoding
            }
            return formats[0] != formats[2] || formats[1] != formats[3]
        }
        #expect(differ)
    }

    /// In bundles of earlier converters features have no numbers: no rule could tell them apart, so they get one format together.
    @Test func featuresWithoutNumbersGoTogether() throws {
        let directory = try TemporaryDirectory()
        let path = try forge(
            "qwen3-vl",
            ["up", "down"].flatMap { part in
                [0, 1].map { number in
                    (
                        "\"role\":\"vision.feature.\(part)\",\"block\":\(number)",
                        "\"role\":\"vision.feature.\(part)\""
                    )
                }
            }, at: directory.file("old.tessera"))
        let fixture = try ProbedFixture("qwen3-vl", bundle: path)
        try fixture.addUsual()
        let file = try fixture.calibrate()
        for bits in [7.6, 8.2, 8.8] {
            let spent = try spend(bits, fixture, file)
            let left = bits - spent.plan.effectiveBits
            #expect(left >= 0 && (left > 0.02) == (spent.shortfall != nil), "\(bits)")
            let items = spent.plan.items.filter { $0.weight.name.hasPrefix("vision.feature.") }
            let formats = Set(
                items.filter { $0.weight.name.hasSuffix("up.weight") }.map(\.description.encoding))
            #expect(formats.count == 1)
        }
    }

    /// What was not probed costs nothing that is known, and is not taken to cost nothing: the recipe decides, and never for less than
    /// all weights could have.
    @Test func whatIsNotProbedIsNotFree() throws {
        let fixture = try ProbedFixture("qwen2-vl")
        try fixture.add(.image, PatchGrid(t: 1, h: 4, w: 4), text: 4200)
        try fixture.add(nil, nil, text: 100)
        let file = try fixture.calibrate()
        let coarse = try #require(GroupFormat(.four, groupSize: 128))
        let recipes = [
            try Recipe(named: "int4"), Recipe("coarse", rules: [], fallback: .groups(coarse, nil)),
        ]
        for recipe in recipes {
            let spent = try spend(9, fixture, file, base: recipe)
            let least = try #require(spent.unknown.atLeast)
            #expect(spent.unknown.count > 10 && least.bits != .four)
            for item in spent.plan.items where item.weight.name.hasPrefix("vision.") {
                guard let run = item.solution?.runs.first else { continue }
                #expect(run.geometry.format.bits.rawValue >= least.bits.rawValue, "\(item.weight.name)")
            }
            let known = try Sensitivities(fixture.graph, fixture.model.bundle, file, threads: 2)
            let expected = try known.expected(of: spent.plan)
            #expect(!expected.isEmpty && !expected.keys.contains { $0.hasPrefix("vision.") })
            #expect(expected.values.allSatisfy { $0 > 0 })
        }
    }

    @Test func withoutAnythingProbedThereIsNoChoice() throws {
        let fixture = try ProbedFixture("qwen3-vl")
        try fixture.add(nil, nil, text: 4200, answers: [4000..<4100])
        let file = try fixture.calibrate()
        let failure = #expect(throws: Failure.self) { try spend(8, fixture, file) }
        #expect(failure?.kind == .usage && failure?.message.contains("could be probed") == true)
    }

    /// Roles of every generation are those that recipes may name, and what every build knows suits them all.
    @Test(arguments: Fixtures.published)
    func everyRoleIsKnown(name: String) throws {
        let graph = try ProbedFixture(name).graph
        #expect(Set(graph.uses.map(\.role)).isSubset(of: Role.known))
        for recipe in Recipe.names { _ = try Recipe(named: recipe, for: graph) }
    }
}
