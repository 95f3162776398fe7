public import Bundles
public import Calibration
import CommandSupport
import FloatProducts
public import Generations
public import GraphIR
import GroupFormats
public import Quantization
import Runtime
public import Storage

/// Writing a bundle from weights by a recipe: the work that converting and quantizing share.
public struct BundleJob {
    private let plan: QuantizationPlan
    private let graph: ModelGraph
    private let options: OutputOptions
    private let roles: RoleTable
    private let columns: ColumnStatistics?
    private let target: TargetReport?
    private let rewrites: RewriteSearch?

    /// Plans the work; nothing is written yet.
    /// - Parameters:
    ///   - inputs: what is known of what weights are multiplied by, if anything.
    ///   - sensitivities: what is known of how much weights matter, if anything.
    ///   - target: what became of the budget that was asked for, if any.
    ///   - rewrites: what changed the weights, to be reported, if anything.
    /// - Throws: `badInput` when the recipe and the weights do not fit; `usage` when the recipe needs to know more.
    public init(
        _ recipe: Recipe, _ graph: ModelGraph, _ weights: [SourceWeight], _ options: OutputOptions,
        inputs: InputStatistics? = nil, sensitivities: Sensitivities? = nil,
        target: TargetReport? = nil, rewrites: RewriteSearch? = nil
    ) throws(Failure) {
        guard recipe.targetBits == nil else {
            throw Failure(
                .usage, "the recipe '\(recipe.name)' chooses formats by how much weights matter",
                remedy: "calibrate with tessera-calibrate, then tessera-quantize --calibration")
        }
        plan = try QuantizationPlan(
            recipe, graph, weights, solver: .best(calibrated: inputs?.set != nil))
        self.graph = graph
        roles = RoleTable(
            plan, graph,
            try sensitivities.map { [plan] (known) throws(Failure) in try known.expected(of: plan) })
        self.options = options
        columns = inputs?.columns
        self.target = target
        self.rewrites = rewrites
        if columns != nil, let item = plan.items.first(where: { $0.solution?.solver.isCalibrated == true }) {
            throw Failure(
                .usage,
                "the recipe '\(recipe.name)' needs all second moments, and an imatrix has only the diagonals",
                at: "tensor '\(item.weight.name)'",
                remedy: "make a calibration file with tessera-calibrate, or choose the solver 'search'")
        }
        // The recipes that every build knows speak of models with experts, too.
        for rule in plan.idleRules where !Recipe.names.contains(recipe.name) {
            Console.warn("the recipe's rule for \(rule.roles.joined(separator: ", ")) fits no weight")
        }
    }

    /// What is carried out, every solver named.
    public var recipe: Recipe { plan.recipe }

    /// Metadata whose coverage ledger says what becomes of the weights that were published as codes.
    public func metadata(entering metadata: JSON) -> JSON { plan.entered(in: metadata) }

    /// Prints the plan instead of carrying it out.
    /// - Parameter checkpoint: where the weights come from, unless that is a bundle.
    public func printPlan(of checkpoint: CheckpointPlan? = nil) throws(Failure) {
        let report = try PlanReport(plan, graph, roles, target, of: checkpoint)
        if let coverage { Console.log(coverage.text) }
        Console.print(
            options.json ? report.json.serialized(pretty: true) : report.text(verbose: options.verbose))
    }

    private var byteCount: Int { plan.descriptions.reduce(0) { $0 + $1.byteCount } }

    private var coverage: ColumnCoverage? { columns.map { ColumnCoverage(plan, graph, $0) } }

    /// Streams the weights into the bundle at `place`; interrupted, it can be run again and goes on.
    /// - Parameters:
    ///   - sources: the files that are read meanwhile.
    ///   - fingerprint: everything beside the plan that determines the bytes.
    ///   - carried: sections that are only carried along.
    public func run(
        _ source: some WeightSource, to place: OutputPath, sources: [FileIdentity], fingerprint: JSON,
        metadata: JSON, tokenizer: [UInt8], carrying carried: [CarriedSection]
    ) throws(Failure) {
        if let item = plan.items.first(where: { $0.solution?.solver.isCalibrated == true }) {
            throw Failure(
                .usage, "the recipe '\(plan.recipe.name)' needs a calibration file",
                at: "tensor '\(item.weight.name)'",
                remedy:
                    "convert without --quantize, then tessera-calibrate, then tessera-quantize --calibration")
        }
        let progress = Progress(total: source.weights.reduce(0) { $0 + $1.shape.count * $1.type.width })
        try write(
            place, sources, fingerprint: fingerprint, metadata: metadata, tokenizer: tokenizer, carried
        ) { (writer) throws(Failure) in
            defer { progress.finish() }
            let quantizer = try Quantizer(
                plan, threads: options.threads, meanSquares: columns?.meanSquares ?? [:])
            return try quantizer.run(source, into: writer) { (event) throws(Failure) in
                if case .panel(let tensor, let done, _) = event { progress.show(done, tensor) }
                try Interruption.check()
            }
        }
    }

    /// The same with a calibration file, block after block.
    public func run(
        _ source: RewrittenWeights<BundleWeights>, _ calibration: CalibrationFile, to place: OutputPath,
        sources: [FileIdentity], fingerprint: JSON, metadata: JSON, tokenizer: [UInt8],
        carrying carried: [CarriedSection]
    ) throws(Failure) {
        let quantizer = try CalibratedQuantizer(
            plan, graph, source, calibration, threads: options.threads, largeProduct: .openBLAS())
        Console.log(roles.text)
        if let expected = roles.summary { Console.log(expected) }
        if let target { Console.log(target.text) }
        try write(
            place, sources + [calibration.bundle.file.identity], fingerprint: fingerprint, metadata: metadata,
            tokenizer: tokenizer, carried
        ) { (writer) throws(Failure) in
            let progress = SampleProgress()
            defer { progress.finish() }
            return try quantizer.run(into: writer) { (state) throws(Failure) in
                progress.show(state.done, state.total, state.place)
                try Interruption.check()
            }
        }
    }

    private func write(
        _ place: OutputPath, _ sources: [FileIdentity], fingerprint: JSON, metadata: JSON,
        tokenizer: [UInt8], _ carried: [CarriedSection],
        _ body: (BundleWriter) throws(Failure) -> [TensorReport]
    ) throws(Failure) {
        if let summary = plan.codesSummary { Console.log(summary) }
        if let coverage { Console.log(coverage.text) }
        let writer = try BundleWriter(
            place, fingerprint: fingerprint.setting("recipe", to: plan.recipe.json),
            plan: plan.descriptions, sources: sources)
        // Until here a signal ends the command at once, and loses nothing.
        Interruption.watch()
        if writer.completed > 0 {
            Console.log("resuming after \(writer.completed) of \(plan.items.count) tensors")
        }
        let start = monotonicSeconds()
        let reports = try body(writer)
        let digest = try writer.finish(
            graph: graph.json, metadata: metadata, tokenizer: tokenizer, carrying: carried)
        report(reports, place.path, digest, seconds: monotonicSeconds() - start)
    }

    private func report(_ reports: [TensorReport], _ path: String, _ digest: Digest, seconds: Double) {
        let blind = reports.filter(\.lacksInputs).map(\.name)
        if let first = blind.first {
            Console.log(
                "\(blind.count) weights were quantized without calibration, since nothing of the set came to them: "
                    + "\(first)\(blind.count > 1 ? ", …" : "")")
        }
        if options.json {
            let tensors = reports.map { report in
                JSON.pairs([
                    "name": .string(report.name), "encoding": .string("\(report.encoding)"),
                    "bits": .double(report.effectiveBits), "sqnr_db": .double(report.distortion.decibels),
                    "relative_error": .double(report.distortion.relative),
                    "output_error": report.losses.map {
                        .pairs([
                            "search": .double($0.search), "gptq": .double($0.compensated),
                            "final": .double($0.final),
                        ])
                    } ?? .null,
                    "lacks_inputs": .bool(report.lacksInputs),
                ])
            }
            var json = JSON.pairs([
                "output": .string(path), "digest": .string(digest.description),
                "weight_bytes": .int(byteCount), "effective_bits": .double(plan.effectiveBits),
                "seconds": .double(seconds), "tensors": .array(tensors),
            ])
            if let coverage { json = json.setting("imatrix", to: coverage.json) }
            if let target { json = json.setting("target", to: target.json) }
            if let rewrites { json = json.setting("steps", to: rewrites.json) }
            Console.print(json.serialized(pretty: true))
            return
        }
        if options.verbose {
            var table = Table(
                "tensor", "encoding", "bits", "SQNR dB", "worst group", "outputs: search", "gptq", "final")
            for report in reports {
                let grouped = report.distortion.energy > 0
                table.add(
                    report.name, "\(report.encoding)", fixed(report.effectiveBits, 2),
                    grouped ? fixed(report.distortion.decibels, 1) : "exact",
                    grouped ? significant(report.distortion.worstGroup) : "0",
                    report.losses.map { significant($0.search) } ?? "",
                    report.losses.map { significant($0.compensated) } ?? "",
                    report.losses.map { significant($0.final) } ?? "")
            }
            Console.print(table.text)
        }
        Console.print(EncodingTable(plan.descriptions).text)
        Console.print(
            "\(path): \(ByteCount.text(byteCount)) of weights, \(fixed(plan.effectiveBits, 2)) bits a weight, "
                + "\(fixed(seconds, 1)) s")
    }
}

extension QuantizationPlan {
    /// Metadata whose coverage ledger says what becomes of the weights that were published as codes.
    func entered(in metadata: JSON) -> JSON {
        let provenance = metadata["provenance"] ?? .object([])
        let ledger = entering(into: provenance["ledger"] ?? .object([]))
        return metadata.setting("provenance", to: provenance.setting("ledger", to: ledger))
    }
}
