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
        return try calibratedBundle(
            recipe, probed.graph, probed.model.bundle, calibration, to: directory.file(path),
            threads: threads,
            stop: stop)
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
