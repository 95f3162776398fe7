import Calibration
import Prompts
import Testing

/// What is said about calibration sets.
@Suite struct SetLintTests {
    private static let square = PatchGrid(t: 1, h: 16, w: 16)

    @Test(
        arguments: [
            ([], false, [.noPictures]),
            ([square], false, [.oneResolution]),
            ([square, square, PatchGrid(t: 2, h: 16, w: 16)], false, [.oneResolution]),
            ([square, PatchGrid(t: 1, h: 16, w: 18)], false, []),
            ([square, PatchGrid(t: 1, h: 8, w: 32)], false, []),
            // Where the model resizes everything alike there is nothing to vary.
            ([square, square], true, []), ([], true, [.noPictures]),
        ] as [([PatchGrid], Bool, [SetWarning.Rule])])
    func sets(visuals: [PatchGrid], resizedAlike: Bool, rules: [SetWarning.Rule]) {
        let found = SetLint.warnings(visuals: visuals, resizedAlike: resizedAlike, visionStages: 40)
        #expect(found.map(\.rule) == rules)
    }

    private func stage(
        _ name: String, _ graph: String, columns: Int, _ rows: (text: Int, vision: Int)
    ) -> StageCoverage {
        var stage = StageCoverage(name: name, graph: graph, block: 3, columns: columns)
        stage.add(.text, rows: rows.text)
        stage.add(.vision, rows: rows.vision)
        return stage
    }

    @Test func rowsOfBothModalitiesCount() {
        let enough = stage("text.a", "text", columns: 100, (60, 40))
        #expect(SetLint.warnings([enough], .full).isEmpty)
        #expect(SetLint.warnings([stage("text.a", "text", columns: 100, (60, 39))], .full).count == 1)
    }

    @Test func theWorstStageIsNamed() throws {
        let stages = [
            stage("vision.a", "vision", columns: 64, (0, 63)),
            stage("vision.b", "vision", columns: 64, (0, 64)),
            stage("text.a", "text", columns: 100, (50, 40)), stage("text.b", "text", columns: 400, (90, 0)),
            stage("head.a", "head", columns: 100, (90, 0)),
        ]
        let found = SetLint.warnings(stages, .full)
        #expect(found.map(\.rule) == [.fewRows, .fewRows])
        #expect(found[0].message.contains("1 of 2") && found[0].message.contains("'vision.a' with 63 of 64"))
        #expect(found[0].message.contains("pictures"))
        #expect(found[1].message.contains("3 of 3") && found[1].message.contains("'text.b' with 90 of 400"))
        #expect(found[1].message.contains("--tokens"))
        // Without moments of pairs there is nothing that could be singular.
        #expect(SetLint.warnings(stages, .light).isEmpty)
    }

    @Test func idleExpertsAreNamed() throws {
        func mixture(
            _ block: Int, _ text: [Float], _ vision: [Float], _ part: String = "down"
        ) -> StageCoverage {
            var stage = StageCoverage(
                name: "text.block.\(block).\(part)", graph: "text", block: block, columns: 2, experts: 4)
            stage.add(.text, rows: 8)
            stage.add(.text, experts: text)
            stage.add(.vision, experts: vision)
            return stage
        }
        // A number that is no expert's is the first's, as when the model runs.
        let stages = [
            mixture(0, [0, 1, 3], [2]), mixture(1, [.nan, 9, -1], [3]), mixture(2, [1, 2, 3], []),
        ]
        #expect(
            stages[1].expertRows(.text) == [3, 0, 0, 0] && stages[1].expertRows(.vision) == [0, 0, 0, 1])
        let found = SetLint.warnings(stages, .light)
        #expect(found.map(\.rule) == [.idleExperts])
        let message = try #require(found.first?.message)
        #expect(
            message.contains("3 of 12 experts") && message.contains("block 1 (2 of 4: 1, 2)"), "\(message)")
        // Those of gate and up are the same.
        let gates = [mixture(1, [.nan, 9, -1], [3], "gate"), mixture(2, [1, 2, 3], [], "gate")]
        #expect(SetLint.warnings(gates + stages, .light) == found)
        #expect(SetLint.warnings([stages[0]], .full).isEmpty)
    }
}
