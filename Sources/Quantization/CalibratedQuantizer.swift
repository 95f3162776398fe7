public import Bundles
public import Calibration
public import GraphIR
internal import GroupFormats
public import Runtime
public import Storage
internal import Threads

/// Carries a plan out with what a calibration file knows, block after block.
///
/// Each stage's weights are solved against the inputs that the model of full precision gave it, whose moments are in the file. Where the
/// file lacks something that is asked for, such as what each expert reads or the errors that biases are to make up for, the
/// model runs over the calibration set as far as it is quantized, at the speed and with the numbers of the runtime, and
/// every stage is solved against what the quantized stages before it produce.
///
/// Memory is that of one stage. An interrupted run goes on after the last weight that was written; what is quantized is then
/// run again, not solved again.
public final class CalibratedQuantizer {
    private let plan: QuantizationPlan
    private let model: ModelGraph
    private let source: RewrittenWeights<BundleWeights>
    private let calibration: CalibrationFile
    private let quantizer: Quantizer
    private let largeProduct: LargeProduct?
    private let indices: [String: Int]
    private let stages: [String: String]
    /// What is made and not yet written, or lent to the part that runs.
    private var made: [Int: MadeTensor] = [:]
    private var reports: [TensorReport] = []

    /// A quantizer with `threads` workers, the caller's thread included.
    /// - Parameter source: the weights of the plan.
    public init(
        _ plan: QuantizationPlan, _ model: ModelGraph, _ source: RewrittenWeights<BundleWeights>,
        _ calibration: CalibrationFile, threads: Int, largeProduct: LargeProduct? = nil
    ) throws(Failure) {
        self.plan = plan
        self.model = model
        self.source = source
        self.calibration = calibration
        self.largeProduct = largeProduct
        quantizer = try Quantizer(plan, threads: threads)
        indices = Dictionary(
            plan.items.enumerated().map { ($0.element.weight.name, $0.offset) },
            uniquingKeysWith: { first, _ in first })
        stages = model.stageNames
    }

    /// Writes all tensors that `writer` does not have yet.
    /// - Parameter report: told how far the run is.
    /// - Returns: what became of each tensor written now.
    public func run(
        into writer: BundleWriter, report: (ModelRun.Progress) throws(Failure) -> Void
    ) throws(Failure) -> [TensorReport] {
        if needsRun {
            let run = ModelRun(
                model, calibration.prepared, patches: calibration, pool: quantizer.pool,
                largeProduct: largeProduct)
            try run.run(
                weight: { (name) throws(Failure) in try self.weight(name, writer) },
                visit: { (visit) throws(Failure) in try self.solve(visit, writer) }, report: report)
        } else {
            for (index, item) in plan.items.enumerated() {
                if let stage = stages[item.weight.name], !due([index], writer).isEmpty {
                    try solveFromFile(stage, writer)
                }
                try report(.init(done: index + 1, total: plan.items.count, place: item.weight.name))
            }
        }
        try write(into: writer, all: true)
        return reports
    }

    /// Whether the file lacks what the plan asks for: only a run shows what each expert reads, what changed weights do, and the
    /// errors that biases make up for.
    private var needsRun: Bool {
        calibration.detail != .full || source.isChanged || plan.items.contains { $0.corrects != nil }
            || model.graphs.contains { graph in StagedGraph(graph).stages.contains { $0.routes != nil } }
    }

    /// A weight as it is run: quantized, once it is.
    private func weight(_ name: String, _ writer: BundleWriter) throws(Failure) -> LentWeight? {
        guard let index = indices[name] else { return nil }
        let item = plan.items[index]
        if index < writer.completed {
            let written = try writer.written(index)
            return LentWeight(
                item.description.encoding, item.description.shape, written.bytes, owner: written.file)
        }
        if item.solution != nil, made[index] == nil { made[index] = try solveAlone(index) }
        guard let tensor = made[index] else { return try source.lent(index) }
        return LentWeight(
            item.description.encoding, item.description.shape, UnsafeRawBufferPointer(tensor.bytes),
            owner: tensor)
    }

    // MARK: Solving

    /// Solves the weights of a stage by what the run shows of its inputs.
    private func solve(_ visit: ModelRun.Visit, _ writer: BundleWriter) throws(Failure) {
        made = made.filter { $0.key >= writer.completed }
        let own = visit.stage.linears.compactMap { $0.operation.weightNames.first.flatMap { indices[$0] } }
        let due = due(own, writer)
        let biases = plan.items.indices.filter { index in
            index >= writer.completed
                && plan.items[index].corrects.flatMap { indices[$0] }.map(own.contains) == true
        }
        if !due.isEmpty || !biases.isEmpty {
            let read = try visit.moments(quantizer.pool)
            let experts = try visit.expertRows(read)
            let moments = try read.balanced()
            if let experts, let moments {
                try solve(due, experts, moments)
            } else {
                try solve(due, biases, moments, writer)
            }
        }
        try finishStage(writer)
    }

    /// Solves the weights of a stage by what the file has of its inputs.
    private func solveFromFile(_ stage: String, _ writer: BundleWriter) throws(Failure) {
        made = made.filter { $0.key >= writer.completed }
        let own = plan.items.indices.filter { stages[plan.items[$0].weight.name] == stage }
        try solve(due(own, writer), [], try calibration.balancedMoments(stage), writer)
        try finishStage(writer)
    }

    /// Those of some weights that are to be solved and are not.
    private func due(_ own: [Int], _ writer: BundleWriter) -> [Int] {
        own.filter { $0 >= writer.completed && made[$0] == nil && plan.items[$0].solution != nil }
    }

    private func finishStage(_ writer: BundleWriter) throws(Failure) {
        try write(into: writer, all: false)
        // Solving costs more than syncing: an interrupted run should not have to solve again.
        try writer.checkpoint()
    }

    /// Solves weights that read the same rows, and corrects biases of theirs.
    private func solve(
        _ due: [Int], _ biases: [Int], _ moments: SecondMoments?, _ writer: BundleWriter
    ) throws(Failure) {
        // A corrected bias takes care of the mean: what is left to the codes is the deviation from it.
        let corrected = Set(plan.items.compactMap { $0.corrects.flatMap { indices[$0] } })
        let isCentred = due.contains(where: corrected.contains)
        let solver = RowSolver(moments)
        let centred = isCentred ? RowSolver(moments?.centred()) : solver
        for index in due {
            made[index] = try solve(index, by: corrected.contains(index) ? centred : solver)
        }
        guard let moments else { return }
        for bias in biases { made[bias] = try correct(bias, moments.mean, writer) }
    }

    /// Solves the weights of experts, the rows of each by what it reads.
    private func solve(
        _ due: [Int], _ experts: ExpertRows, _ all: SecondMoments
    ) throws(Failure) {
        let tensors = try due.map { (index) throws(Failure) in try tensor(index) }
        for expert in 0..<experts.count {
            let solver = RowSolver(try experts.moments(of: expert, towards: all, quantizer.pool))
            for (index, tensor) in zip(due, tensors) {
                try solve(
                    plan.items[index].weight.rows(of: expert, experts.count), of: index, by: solver,
                    into: tensor)
            }
        }
        for (index, tensor) in zip(due, tensors) { made[index] = tensor }
    }

    /// Solves a weight with what the model of full precision fed it: one that is read before its stage comes, such as an
    /// embedding that is the head, too.
    private func solveAlone(_ index: Int) throws(Failure) -> MadeTensor {
        let stage = stages[plan.items[index].weight.name]
        let moments = try stage.flatMap { (stage) throws(Failure) in try calibration.balancedMoments(stage) }
        return try solve(index, by: RowSolver(moments))
    }

    /// Solves all rows of a weight.
    private func solve(_ index: Int, by solver: RowSolver) throws(Failure) -> MadeTensor {
        let tensor = try tensor(index)
        try solve(0..<plan.items[index].weight.rowCount, of: index, by: solver, into: tensor)
        return tensor
    }

    /// Solves rows of a weight.
    private func solve(
        _ rows: Range<Int>, of index: Int, by solver: RowSolver, into tensor: MadeTensor
    ) throws(Failure) {
        guard let (runs, choice) = plan.items[index].solution else { return }
        let weight = plan.items[index].weight
        for run in runs where run.rows.overlaps(rows) {
            let part = rows.clamped(to: run.rows)
            let (first, geometry) = (run.rows.lowerBound, run.geometry)
            let target = TileRows(
                geometry, UnsafeMutableRawBufferPointer(rebasing: tensor.bytes[run.bytes]),
                rows: geometry.rows)
            do {
                try source.withRows(part, of: index) { (bytes) throws(Failure) in
                    let own = part.lowerBound - first..<part.upperBound - first
                    let result = try target.fill(own) { (tiles) throws(Failure) in
                        try solver.solve(
                            bytes, weight.type, firstRow: part.lowerBound, into: tiles, geometry, choice,
                            quantizer.pool)
                    }
                    tensor.add(result.distortion, result.losses)
                }
            } catch { throw error.inside(weight) }
        }
    }

    /// Memory for a weight's tiles.
    private func tensor(_ index: Int) throws(Failure) -> MadeTensor {
        let item = plan.items[index]
        guard item.solution != nil else {
            throw .badInput("is not to be quantized", at: "tensor '\(item.weight.name)'")
        }
        return MadeTensor(item.description.byteCount)
    }

    /// A bias that makes up for the errors of its weight, which is made or written.
    private func correct(
        _ bias: Int, _ mean: [Float], _ writer: BundleWriter
    ) throws(Failure) -> MadeTensor {
        let item = plan.items[bias]
        guard let weight = item.corrects.flatMap({ indices[$0] }),
            let geometry = plan.items[weight].solution?.runs.first?.geometry,
            item.weight.shape.count == geometry.rows
        else { throw .badInput("is the bias of nothing", at: "tensor '\(item.weight.name)'") }
        let tensor = MadeTensor(item.description.byteCount)
        func write(_ tiles: UnsafeRawBufferPointer) throws(Failure) {
            let values = try CorrectedBias.values(
                source, bias: bias, weight: weight, geometry, tiles, mean: mean)
            try values.withBytes { tensor.bytes.copyMemory(from: $0) }
        }
        if let solved = made[weight] {
            try write(UnsafeRawBufferPointer(solved.bytes))
        } else {
            try write(try writer.written(weight).bytes)
        }
        return tensor
    }

    // MARK: Writing

    /// Whether the run comes to a stage that reads the weight: not to the vision graph's without pictures.
    private func isVisited(_ weight: String) -> Bool {
        guard let stage = stages[weight] else { return false }
        return calibration.stages.contains { $0.name == stage }
    }

    /// Writes the tensors that are due, up to the first that is to be made and is not; `all` makes that, too.
    private func write(into writer: BundleWriter, all: Bool) throws(Failure) {
        while writer.completed < plan.items.count {
            let index = writer.completed
            let item = plan.items[index]
            if made[index] == nil, item.solution != nil || item.corrects != nil {
                guard all || !isVisited(item.corrects ?? item.weight.name) else { return }
                made[index] = try item.corrects == nil ? solveAlone(index) : widened(index)
            }
            guard let tensor = made[index] else {
                reports += try quantizer.write(index..<index + 1, source, into: writer)
                continue
            }
            try writer.append(UnsafeRawBufferPointer(tensor.bytes), to: index)
            let lacksInputs =
                tensor.losses == nil && item.solution?.solver.isCalibrated == true
                && stages[item.weight.name] != nil
            reports.append(
                TensorReport(item, tensor.distortion, tensor.losses, lacksInputs: lacksInputs))
        }
    }

    /// A bias of a linear that nothing was seen to read: as it is, in the type that a correction would have.
    private func widened(_ index: Int) throws(Failure) -> MadeTensor {
        let tensor = MadeTensor(plan.items[index].description.byteCount)
        try source.withRows(0..<1, of: index) { (bytes) throws(Failure) in
            try bytes.floats(source.weights[index].type).withBytes { tensor.bytes.copyMemory(from: $0) }
        }
        return tensor
    }
}

/// The bytes of a tensor, and what they lost.
private final class MadeTensor {
    let bytes: UnsafeMutableRawBufferPointer
    var distortion = Distortion()
    var losses: MomentSolver.Losses?

    /// All zero.
    init(_ count: Int) {
        bytes = .allocate(byteCount: count, alignment: 64)
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { bytes.deallocate() }

    /// Adds what some of its rows lost.
    func add(_ distortion: Distortion, _ losses: MomentSolver.Losses?) {
        self.distortion += distortion
        guard let losses else { return }
        guard var sum = self.losses else { return self.losses = losses }
        sum.add(losses)
        self.losses = sum
    }
}
