import Bundles
import Calibration
import GraphIR
import GroupFormats
import Quantization
import Storage
import Tessera
import TestSupport
import Testing

/// A whole model of linears that all read, solved with what a calibration file knows.
@Suite(.serialized) struct CalibratedQuantizerTests {
    private let probed: ProbedFixture
    private let directory: TemporaryDirectory

    init() throws {
        probed = try ProbedFixture("qwen2-vl")
        try probed.addUsual()
        directory = try TemporaryDirectory()
    }

    private func quantize(
        _ calibration: CalibrationFile, to path: String, threads: Int = 2, stop: Int? = nil
    ) throws -> (bundle: Bundle, reports: [TensorReport], steps: Int) {
        let format = try #require(GroupFormat(.four, groupSize: 32))
        let recipe = Recipe("r", rules: [.init(["text.*", "vision.*"], .groups(format, .refit))])
        let base = probed.model.bundle
        let plan = try QuantizationPlan(recipe, probed.graph, BundleWeights(base).weights)
        let weights = try RewriteSearch(plan, probed.graph, base, calibration, threads: 1) {
            _ throws(Failure) in
        }.weights
        let writer = try BundleWriter(
            OutputPath(directory.file(path), inputs: []), fingerprint: recipe.json, plan: plan.descriptions)
        var steps = 0
        let reports = try CalibratedQuantizer(plan, probed.graph, weights, calibration, threads: threads).run(
            into: writer
        ) { _ throws(Failure) in
            steps += 1
            if steps == stop { throw Failure(.interrupted, "stopped") }
        }
        _ = try writer.finish(graph: base.graphJSON, metadata: base.metadata, tokenizer: base.tokenizer)
        return (try Bundle(directory.file(path)), reports, steps)
    }

    /// On any number of threads, and interrupted anywhere, the bytes are the same; all linears are solved for.
    @Test func bytesDependOnNothingElse() throws {
        let calibration = try probed.calibrate(detail: .full)
        let (whole, reports, steps) = try quantize(calibration, to: "whole")
        #expect(reports.count { $0.losses != nil } > 20 && !reports.contains(where: \.lacksInputs))
        #expect(try quantize(calibration, to: "one", threads: 1).bundle.digest == whole.digest)
        for stop in stride(from: 1, to: steps, by: 9) {
            #expect(throws: Failure.self) { try quantize(calibration, to: "\(stop)", stop: stop) }
            #expect(try quantize(calibration, to: "\(stop)").bundle.digest == whole.digest)
        }
    }

    /// A file without moments: the model is run, and its weights are solved for all the same.
    @Test func whatTheFileLacksARunShows() throws {
        let full = try quantize(try probed.calibrate(detail: .full), to: "full").reports
        let light = try quantize(try probed.calibrate(detail: .light), to: "light").reports
        #expect(full.map { $0.losses != nil } == light.map { $0.losses != nil })
        #expect(full.contains { $0.losses != nil })
    }
}
