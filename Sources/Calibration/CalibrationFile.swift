public import Bundles
public import GraphIR
internal import GroupFormats
public import Prompts
public import SampleSets
public import Storage

/// A calibration file: the set that a model was run over, and what its linears read; `formats/calibration.md`.
public struct CalibrationFile: PatchStore {
    /// The file, mapped.
    public let bundle: Bundle
    /// What the model was run over.
    public let prepared: PreparedSet
    /// Whether it has all second moments.
    public let detail: Detail
    /// Whether it says how much weights matter.
    public let hasSensitivities: Bool
    private let layout: CalibrationLayout

    /// Opens the file at `path` for a model.
    /// - Parameters:
    ///   - model: the digest of the bundle of full precision that is to be quantized.
    ///   - settings: that model's.
    /// - Throws: `badInput` when it is no calibration file, or one of another model.
    public init(
        _ path: String, of model: Digest, _ graph: ModelGraph, _ settings: PromptSettings
    ) throws(Failure) {
        bundle = try Bundle(path)
        let metadata = try bundle.metadata
        guard metadata["kind"]?.string == "calibration",
            let detail = metadata["detail"]?.string.flatMap(Detail.init)
        else {
            throw .badInput("is no calibration file", file: path, remedy: "tessera-calibrate makes them")
        }
        guard metadata["model"]?.string == model.description else {
            throw .badInput(
                "was made with another model, of digest \(metadata["model"]?.string ?? "none")", file: path,
                remedy: "run tessera-calibrate with the bundle that is to be quantized")
        }
        hasSensitivities = metadata["sensitivity"]?.bool == true
        do {
            prepared = try PreparedSet(json: metadata["set"], settings)
            try prepared.check(for: graph)
            layout = try CalibrationLayout(graph, prepared, detail, sensitivity: hasSensitivities)
        } catch { throw error.located(in: path) }
        self.detail = detail
        guard bundle.tensors.map(\.description) == layout.plan else {
            throw .badInput(
                "has other tensors than its set asks for", file: path,
                remedy: "was it made by another version? run tessera-calibrate again")
        }
    }

    /// The float16 patches of visual `index`, row after row.
    public func withPatches<Result>(
        _ index: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withTensor(CalibrationLayout.patches(index), body)
    }

    /// The stages that the file knows, by the first weight that reads their input, with the modalities seen.
    public var stages: [(name: String, modalities: [Modality])] {
        layout.stages.map { ($0.name, $0.modalities) }
    }

    /// The figures of a stage's inputs; nil when there are none of that modality.
    public func summary(_ stage: String, _ modality: Modality) throws(Failure) -> StageSummary? {
        let name = name(stage, modality, .summary)
        guard bundle[name] != nil else { return nil }
        let values = try withTensor(name) { (bytes) in Array(bytes.bindMemory(to: Double.self)) }
        guard let summary = StageSummary(values) else {
            throw .badInput("are no figures of a stage", file: bundle.path, at: "tensor '\(name)'")
        }
        return summary
    }

    /// E[x²] of each column of a stage's inputs; nil when there are none of that modality.
    public func meanSquares(_ stage: String, _ modality: Modality) throws(Failure) -> [Float]? {
        guard let summary = try summary(stage, modality), summary.rows > 0 else { return nil }
        let name = name(stage, modality, .moments)
        let diagonal = try withTensor(name) { (bytes) in
            let values = bytes.bindMemory(to: Float.self)
            guard detail == .full else { return Array(values) }
            // Row k of the triangle ends at (k + 1)(k + 2)/2.
            var diagonal: [Float] = []
            var end = 0
            while end + diagonal.count < values.count {
                end += diagonal.count + 1
                diagonal.append(values[end - 1])
                if end == values.count { break }
            }
            return diagonal
        }
        let squares = diagonal.map { $0 / Float(summary.rows) }
        guard squares.allSatisfy({ $0 >= 0 && $0.isFinite }) else { throw notFinite(name) }
        return squares
    }

    /// The second moments of a stage's inputs, modalities balanced; nil when there are none.
    public func balancedMoments(_ stage: String) throws(Failure) -> SecondMoments? {
        var parts: [SecondMoments] = []
        for modality in Modality.allCases {
            if let moments = try moments(stage, modality) { parts.append(moments) }
        }
        do { return try SecondMoments.balanced(parts) } catch {
            throw Failure(error.kind, error.message, file: bundle.path, at: "stage '\(stage)'")
        }
    }

    /// The second moments of a stage's inputs; nil when there are none of that modality, or the file has no details.
    public func moments(_ stage: String, _ modality: Modality) throws(Failure) -> SecondMoments? {
        guard detail == .full, let summary = try summary(stage, modality), summary.rows > 0,
            let columns = layout.stages.first(where: { $0.name == stage })?.columns
        else { return nil }
        let mean = try withTensor(name(stage, modality, .mean)) { (bytes) in
            Array(bytes.bindMemory(to: Float.self))
        }
        let moments = SecondMoments(columns: columns)
        let name = name(stage, modality, .moments)
        try withTensor(name) { (bytes) throws(Failure) in
            let triangle = bytes.bindMemory(to: Float.self)
            guard triangle.allSatisfy(\.isFinite), mean.allSatisfy(\.isFinite) else { throw notFinite(name) }
            moments.add(triangle: triangle, mean: mean, count: summary.rows)
            guard moments.diagonal.allSatisfy({ $0 >= 0 }) else {
                throw .badInput(
                    "has sums of squares below 0", file: bundle.path, at: "tensor '\(name)'")
            }
        }
        return moments
    }

    /// The mean KL divergence that noise of `NoisyWeight.power` in this weight causes; nil where that was not measured: there the
    /// file has NaN, or 0 if it was made when what no sample told of was written so.
    public func sensitivity(_ weight: String) throws(Failure) -> Double? {
        let name = CalibrationLayout.sensitivity(weight)
        guard bundle[name] != nil else { return nil }
        let value = try withTensor(name) { (bytes) in bytes.loadUnaligned(as: Double.self) }
        guard !value.isNaN, value != 0 else { return nil }
        guard value > 0, value.isFinite else { throw notFinite(name) }
        return value
    }

    /// Whether the sensitivity of this weight was to be measured, and no sample that was run could tell.
    public func isUnprobed(_ weight: String) throws(Failure) -> Bool {
        guard bundle[CalibrationLayout.sensitivity(weight)] != nil else { return false }
        return try sensitivity(weight) == nil
    }

    /// Σ over the noise that `sensitivity` speaks of, over Σ w².
    public static let noisePower = NoisyWeight.power

    /// E[max |x|²] of each group of so many columns of a stage's inputs; nil when there are none of that modality.
    public func peaks(_ stage: String, _ modality: Modality, groupSize: Int) throws(Failure) -> [Float]? {
        guard let summary = try summary(stage, modality), summary.rows > 0,
            let columns = layout.stages.first(where: { $0.name == stage })?.columns
        else { return nil }
        let name = name(stage, modality, .peaks)
        let all = try withTensor(name) { (bytes) in Array(bytes.bindMemory(to: Float.self)) }
        guard all.allSatisfy({ $0 >= 0 && $0.isFinite }) else { throw notFinite(name) }
        var first = 0
        for size in StageStatistics.groupSizes {
            let count = (columns + size - 1) / size
            if size == groupSize { return Array(all[first..<first + count]) }
            first += count
        }
        return nil
    }

    /// The tensor that tells of the rows that a stage reads: its own, or that of a stage before it that reads the same.
    private func name(_ stage: String, _ modality: Modality, _ part: CalibrationLayout.Part) -> String {
        let source = layout.stages.first { $0.name == stage }?.source
        return CalibrationLayout.name(source ?? stage, modality, part)
    }

    private func notFinite(_ name: String) -> Failure {
        .badInput("has values that are no numbers", file: bundle.path, at: "tensor '\(name)'")
    }

    private func withTensor<Result>(
        _ name: String, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        guard let entry = bundle[name] else {
            throw .badInput("is not there", file: bundle.path, at: "tensor '\(name)'")
        }
        let mapped = bundle.bytes(of: entry)
        defer { withExtendedLifetime(mapped) {} }
        return try body(mapped.bytes)
    }
}
