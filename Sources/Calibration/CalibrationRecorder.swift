public import Bundles
import GraphIR
public import Runtime
public import SampleSets
public import Storage
import Threads

/// Makes a calibration file: runs a model of full precision over a set and keeps what its linears read.
public struct CalibrationRecorder {
    private let bundle: Bundle
    private let model: ModelGraph
    private let prepared: PreparedSet
    private let patches: any PatchStore
    private let layout: CalibrationLayout
    /// The samples that sensitivities are measured over; nil for none.
    public let choice: ProbeChoice?
    /// What is wrong with the set, whatever a run over it will show.
    public let warnings: [SetWarning]
    private let pool: ThreadPool
    private let largeProduct: LargeProduct?

    /// A recorder for the model in `bundle`.
    /// - Throws: `badInput` when the bundle's graph is none, or the set is empty.
    public init(
        _ bundle: Bundle, _ prepared: PreparedSet, patches: some PatchStore, detail: Detail,
        sensitivity: Bool, threads: Int,
        largeProduct: LargeProduct? = nil
    ) throws(Failure) {
        guard !prepared.samples.isEmpty else { throw .badInput("the calibration set is empty") }
        self.bundle = bundle
        do { model = try ModelGraph(json: try bundle.graphJSON) } catch {
            throw error.located(in: bundle.path)
        }
        try prepared.check(for: model)
        self.prepared = prepared
        self.patches = patches
        layout = try CalibrationLayout(model, prepared, detail, sensitivity: sensitivity)
        choice = sensitivity ? ProbeChoice(prepared) : nil
        warnings =
            SetLint.warnings(
                visuals: prepared.visuals.map(\.grid), resizedAlike: prepared.resizesAlike,
                visionStages: StagedGraph(try model.graph("vision")).stages.count)
            + (choice.map(SetLint.warnings) ?? [])
        pool = try ThreadPool(threads: threads)
        self.largeProduct = largeProduct
    }

    /// Bytes that the file will take, nearly.
    public var byteCount: Int { layout.plan.reduce(0) { $0 + $1.byteCount } }

    /// Runs, and writes the file at `place`; interrupted, it can be run again and goes on.
    /// - Parameters:
    ///   - data: what the set was made of, for people to read.
    ///   - report: told how far it is; whatever it throws ends the run.
    /// - Returns: what the run showed to be wrong with the set. The file keeps it, together with `warnings`.
    public func run(
        to place: OutputPath, data: JSON,
        report: (ModelRun.Progress) throws(Failure) -> Void
    ) throws(Failure) -> [SetWarning] {
        let metadata = JSON.pairs([
            "kind": "calibration", "model": .string(bundle.digest.description),
            "detail": .string(layout.detail.rawValue), "sensitivity": .bool(choice != nil),
            "probe": choice?.json ?? .null, "data": data, "set": prepared.json,
        ])
        let writer = try BundleWriter(
            place, fingerprint: metadata, plan: layout.plan, sources: [bundle.file.identity])
        for visual in writer.completed..<max(writer.completed, prepared.visuals.count) {
            try patches.withPatches(visual) { (bytes) throws(Failure) in try writer.append(bytes, to: visual)
            }
        }
        let run = ModelRun(model, prepared, patches: patches, pool: pool, largeProduct: largeProduct)
        var due = prepared.visuals.count
        var coverages: [StageCoverage] = []
        try run.run(
            weight: { (name) throws(Failure) in LentWeight(name, of: bundle) },
            visit: { (visit) throws(Failure) in
                let coverage = try visit.coverage()
                coverages.append(coverage)
                try record(visit, coverage, &due, writer)
            }, report: report)
        let unprobed = try measure(into: writer, from: due, report)
        let found = SetLint.warnings(coverages, layout.detail) + SetLint.warnings(unprobed: unprobed)
        _ = try writer.finish(
            graph: model.json,
            metadata: metadata.setting("warnings", to: .array((warnings + found).map(\.json))),
            tokenizer: [])
        return found
    }

    /// Writes the sensitivities that an interrupted run did not.
    /// - Returns: the weights that have none.
    private func measure(
        into writer: BundleWriter, from first: Int,
        _ report: (ModelRun.Progress) throws(Failure) -> Void
    ) throws(Failure) -> [String] {
        guard choice != nil else { return [] }
        let names = SensitivityProbe.weights(model, hasVisuals: !prepared.visuals.isEmpty)
        let due = Array(names.dropFirst(writer.completed - first))
        let probe = SensitivityProbe(
            bundle, model, prepared, patches: patches, pool: pool, largeProduct: largeProduct)
        try probe.run(
            due,
            report: { (done) throws(Failure) in
                try report(.init(done: done, total: due.count, place: "sensitivity"))
            },
            record: { (name, divergence) throws(Failure) in
                try [divergence ?? .nan].withBytes { (bytes) throws(Failure) in
                    try writer.append(bytes, to: writer.completed)
                }
                try writer.checkpoint()
            })
        // Read back: some may have been written by a run before this one.
        var unprobed: [String] = []
        for (index, name) in names.enumerated() {
            let written = try writer.written(first + index)
            defer { withExtendedLifetime(written) {} }
            if written.bytes.loadUnaligned(as: Double.self).isNaN { unprobed.append(name) }
        }
        return unprobed
    }

    /// Writes what a stage reads, unless an interrupted run did so.
    private func record(
        _ visit: ModelRun.Visit, _ coverage: StageCoverage, _ due: inout Int, _ writer: BundleWriter
    ) throws(Failure) {
        guard let stage = layout.stages.first(where: { $0.name == visit.stage.name }) else { return }
        let first = due
        due += stage.modalities.count * stage.parts.count
        guard writer.completed < due else { return }
        let statistics = stage.hasRows ? try visit.statistics(stage.modalities, coverage, pool) : [:]
        var index = first
        for modality in stage.modalities {
            for part in stage.parts {
                if index >= writer.completed {
                    try write(
                        statistics[modality], coverage.expertRows(modality), part, to: index, writer)
                }
                index += 1
            }
        }
        try writer.checkpoint()
    }

    /// - Parameter statistics: nil where the part is not of them.
    private func write(
        _ statistics: StageStatistics?, _ experts: [Int], _ part: CalibrationLayout.Part, to index: Int,
        _ writer: BundleWriter
    ) throws(Failure) {
        func append<T>(_ values: [T]) throws(Failure) {
            try values.withBytes { (bytes) throws(Failure) in try writer.append(bytes, to: index) }
        }
        guard let statistics else { return try append(experts.map(Double.init)) }
        switch (part, layout.detail) {
        case (.summary, _): try append(statistics.summary().values)
        case (.mean, _): try append(statistics.moments.mean)
        case (.peaks, _): try append(statistics.peaks)
        case (.experts, _): try append(experts.map(Double.init))
        case (.moments, .light): try append(statistics.moments.diagonal)
        case (.moments, .full):
            try statistics.moments.forEachTriangleRow { (row) throws(Failure) in
                try writer.append(UnsafeRawBufferPointer(row), to: index)
            }
        }
    }
}
