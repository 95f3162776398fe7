import Bundles
import Calibration
import GraphIR
import Prompts
import Runtime
import SampleSets
import Tessera
import TestSupport

/// A fixture's model and its golden prompts as a calibration set.
struct PreparedFixture {
    let model: Model
    let graph: ModelGraph
    let set: PreparedSet
    let patches: SpooledPatches
    /// Each prompt's final hidden states, of the model run whole.
    let hidden: [Engine.Rows]

    init(_ fixture: String) throws {
        model = try Model(
            try Bundled.path(fixture), .init(threads: 2, cachePrecision: .float32, largeProduct: nil))
        patches = try SpooledPatches()
        var set = PreparedSet(model.prompt)
        var hidden: [Engine.Rows] = []
        for golden in try GoldenCase.all(of: fixture) {
            let prompt = try golden.prompt(model)
            var visuals = Engine.Rows(values: [], columns: model.engine.visualWidth)
            for visual in prompt.visuals {
                // A set keeps patches as float16.
                var rounded = visual.patches
                rounded.values = rounded.values.map { Float(Float16($0)) }
                visuals.values += try model.encode(rounded).values
                try patches.append(visual.patches.values)
            }
            try set.add(
                prompt.tokens,
                prompt.visuals.map {
                    .init(
                        $0.medium, $0.patches.grid, secondsPerFrame: $0.secondsPerFrame,
                        timestamps: $0.timestamps)
                })
            let context = try TextContext(model.engine, capacity: prompt.tokens.count)
            hidden.append(
                try context.evaluate(prompt.input(visuals.values.isEmpty ? nil : visuals), wanted: .all))
        }
        graph = try ModelGraph(json: try model.bundle.graphJSON)
        (self.set, self.hidden) = (set, hidden)
    }
}
