import Bundles
import Calibration
import GraphIR
import GroupFormats
import Quantization
import Storage

/// What a recipe makes of a bundle with a calibration file, and how many steps that took; stopped with an error at step `stop`.
func calibratedBundle(
    _ recipe: Recipe, _ graph: ModelGraph, _ base: Bundle, _ calibration: CalibrationFile, to path: String,
    threads: Int, stop: Int?
) throws -> (bundle: Bundle, reports: [TensorReport], steps: Int) {
    let plan = try QuantizationPlan(recipe, graph, BundleWeights(base).weights)
    let weights = try RewriteSearch(plan, graph, base, calibration, threads: 1) { _ throws(Failure) in }
        .weights
    let writer = try BundleWriter(
        OutputPath(path, inputs: []), fingerprint: recipe.json, plan: plan.descriptions)
    var steps = 0
    let reports = try CalibratedQuantizer(plan, graph, weights, calibration, threads: threads).run(
        into: writer
    ) {
        _ throws(Failure) in
        steps += 1
        if steps == stop { throw Failure(.interrupted, "stopped") }
    }
    try writer.finish(graph: base.graphJSON, metadata: base.metadata, tokenizer: base.tokenizer)
    return (try Bundle(path), reports, steps)
}
