public import Bundles
public import Calibration
internal import Glibc
public import GraphIR
public import GroupFormats
public import Storage
internal import Threads

/// What storing weights in each format is expected to cost, by what a calibration file knows of them.
public struct Sensitivities {
    private let model: ModelGraph
    private let source: BundleWeights
    private let calibration: CalibrationFile
    private let pool: ThreadPool
    /// What noise in weights costs, of those where it was measured.
    private let measured: [String: Double]
    private let stages: [String: String]
    private let tokenTables: Set<String>
    private let frequencies: TokenFrequencies

    /// Rows of a weight that formats are tried on, at most.
    private static let sampledRows = 256
    /// What a solver leaves of the error of the weighted search, about.
    private static func share(_ solver: Solver, _ bits: GroupFormat.Bits) -> Double {
        solver.isCalibrated ? (bits == .eight ? 0.65 : 0.55) : 1
    }

    /// For the weights of a bundle of full precision.
    /// - Throws: `usage` when the file has no sensitivities, or none of any weight.
    public init(
        _ model: ModelGraph, _ bundle: Bundle, _ calibration: CalibrationFile, threads: Int
    ) throws(Failure) {
        guard calibration.hasSensitivities else {
            throw Failure(
                .usage, "has no sensitivities", file: calibration.bundle.path,
                remedy: "run tessera-calibrate without --no-sensitivity")
        }
        var measured: [String: Double] = [:]
        for use in model.uses { measured[use.weight] = try calibration.sensitivity(use.weight) }
        guard !measured.isEmpty else {
            throw Failure(
                .usage, "has sensitivities of no weight: none of its samples could be probed",
                file: calibration.bundle.path,
                remedy: "calibrate with samples of at most \(ProbeChoice.ceiling) tokens")
        }
        self.measured = measured
        self.model = model
        source = try BundleWeights(bundle)
        self.calibration = calibration
        pool = try ThreadPool(threads: threads)
        stages = model.stageNames
        tokenTables = model.tokenTables
        frequencies = TokenFrequencies(calibration.prepared)
    }

    /// What a rule of a recipe can tell apart.
    private struct Place: Hashable {
        let roles: [String]
        let block: Int?
        let rows: Range<Int>
    }

    /// The weights whose sensitivity is known, with what each format costs.
    /// - Parameters:
    ///   - formats: to choose among.
    ///   - solver: what will find the codes.
    public func candidates(_ formats: [GroupFormat], _ solver: Solver) throws(Failure) -> [Allocation
        .Candidate]
    {
        let uses = Dictionary(grouping: model.uses, by: \.weight)
        var places: [Place] = []
        var members: [Place: (weights: [String], options: [Allocation.Option])] = [:]
        var seen: Set<String> = []
        for use in model.uses where seen.insert(use.weight).inserted {
            guard let index = source.weights.firstIndex(where: { $0.name == use.weight }),
                source.weights[index].codes == nil, let divergence = divergence(of: use)
            else { continue }
            let weight = source.weights[index]
            let roles = uses[use.weight]?.map(\.role.description) ?? []
            for rows in runs(of: weight) {
                let cost = divergence * share(rows, of: weight) / CalibrationFile.noisePower
                let options = try errors(index, rows, formats, solver).map {
                    Allocation.Option($0.format, bytes: $0.bytes, cost: cost * $0.power)
                }
                let place = Place(roles: roles, block: use.block, rows: rows)
                if let others = members[place] {
                    members[place] = (others.weights + [use.weight], others.options.adding(options))
                } else {
                    places.append(place)
                    members[place] = ([use.weight], options)
                }
            }
        }
        return places.compactMap { place in
            guard let (weights, options) = members[place], !options.isEmpty else { return nil }
            return .init(weights, roles: place.roles, block: place.block, rows: place.rows, options)
        }
    }

    /// The rows that formats are chosen for together: all, or the bands of a table of tokens.
    private func runs(of weight: SourceWeight) -> [Range<Int>] {
        tokenTables.contains(weight.name)
            ? TokenFrequencies.bands(of: weight.rowCount) : [0..<weight.rowCount]
    }

    /// What rows matter, of 1 for all of a weight.
    private func share(_ rows: Range<Int>, of weight: SourceWeight) -> Double {
        tokenTables.contains(weight.name)
            ? frequencies.share(rows, of: weight.rowCount)
            : Double(rows.count) / Double(max(1, weight.rowCount))
    }

    /// The KL divergence that each weight of a plan is expected to cost, where that is known: not of weights that were to be probed
    /// and could not be.
    public func expected(of plan: QuantizationPlan) throws(Failure) -> [String: Double] {
        let uses = Dictionary(grouping: model.uses, by: \.weight)
        var expected: [String: Double] = [:]
        for (index, item) in plan.items.enumerated() {
            guard let (runs, solver) = item.solution, let use = uses[item.weight.name]?.first,
                try !calibration.isUnprobed(use.weight), let divergence = divergence(of: use)
            else { continue }
            var sum = 0.0
            for run in runs {
                let error = try errors(index, run.rows, [run.geometry.format], solver).first
                sum += share(run.rows, of: item.weight) * (error?.power ?? 0)
            }
            expected[item.weight.name] = divergence * sum / CalibrationFile.noisePower
        }
        return expected
    }

    /// The KL divergence that noise in a weight causes: measured, or between the nearest blocks where it was; outside of blocks
    /// the mean of what was measured of the role.
    private func divergence(of use: Operation.WeightUse) -> Double? {
        if let own = measured[use.weight] { return own }
        let others = model.uses.filter { $0.role == use.role }
        guard let block = use.block else {
            let values = others.filter { $0.block == nil }.compactMap { measured[$0.weight] }
            return values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
        }
        var below: (block: Int, value: Double)?
        var above: (block: Int, value: Double)?
        for other in others {
            guard let place = other.block, let value = measured[other.weight] else { continue }
            if place < block, place > below?.block ?? -1 { below = (place, value) }
            if place > block, place < above?.block ?? .max { above = (place, value) }
        }
        guard let below, let above else { return below?.value ?? above?.value }
        let share = Double(block - below.block) / Double(above.block - below.block)
        // Along the logarithm: sensitivities of neighbours may differ by orders of magnitude.
        let floor = 1e-12
        return exp((1 - share) * log(max(floor, below.value)) + share * log(max(floor, above.value)))
    }

    private struct FormatError {
        let format: GroupFormat
        let bytes: Int
        /// Of the outputs, over what the same Σ of independent noise would make of Σ w²: comparable with noise.
        let power: Double
    }

    /// The errors of formats on a sample of some of a weight's rows, of its codes and of the activations that meet them.
    private func errors(
        _ index: Int, _ all: Range<Int>, _ formats: [GroupFormat], _ solver: Solver
    ) throws(Failure) -> [FormatError] {
        let weight = source.weights[index]
        let columns = weight.columnCount
        let squares = try meanSquares(weight) ?? Array(repeating: 1, count: columns)
        let total = squares.reduce(0.0) { $0 + Double($1) }
        let step =
            max(1, all.count / Self.sampledRows / GroupGeometry.tileRows) * GroupGeometry.tileRows
        var (codeErrors, energy) = (Array(repeating: 0.0, count: formats.count), 0.0)
        var columnEnergy = Array(repeating: 0.0, count: columns)
        var rows = 0
        for first in stride(from: all.lowerBound, to: all.upperBound, by: step)
        where rows < Self.sampledRows {
            let range = first..<min(first + GroupGeometry.tileRows, all.upperBound)
            rows += range.count
            try source.withRows(range, of: index) { (bytes) throws(Failure) in
                let values = bytes.floats(weight.type)
                for (place, value) in values.enumerated() {
                    columnEnergy[place % columns] += Double(value) * Double(value)
                }
                for (number, format) in formats.enumerated() {
                    codeErrors[number] += try codeError(values, bytes, weight, format, squares)
                }
            }
        }
        energy = columnEnergy.reduce(0, +)
        // Noise of power p has Σ e² = p·Σ w², spread evenly: its outputs err by p·Σ w²/K·Σ E[x²]. What is nothing loses nothing.
        let unit = energy > 0 && total > 0 ? energy / Double(columns) * total : .infinity
        var errors: [FormatError] = []
        for (number, format) in formats.enumerated() {
            guard let shape = Shape.matrix(all.count, columns), let geometry = GroupGeometry(format, shape)
            else { continue }
            let activations = try activationError(weight, format, columnEnergy)
            errors.append(
                FormatError(
                    format: format, bytes: geometry.byteCount,
                    power: (codeErrors[number] * Self.share(solver, format.bits) + activations) / unit))
        }
        return errors
    }

    private func codeError(
        _ values: [Float], _ bytes: UnsafeRawBufferPointer, _ weight: SourceWeight, _ format: GroupFormat,
        _ squares: [Float]
    ) throws(Failure) -> Double {
        let columns = weight.columnCount
        guard let shape = Shape.matrix(values.count / columns, columns),
            let geometry = GroupGeometry(format, shape)
        else { return 0 }
        let tiles = UnsafeMutableRawBufferPointer.allocate(byteCount: geometry.byteCount, alignment: 64)
        defer { tiles.deallocate() }
        _ = try GroupFitter(geometry, .search, importance: squares).fit(bytes, weight.type, into: tiles, pool)
        var stored = [Float](repeating: 0, count: columns)
        var error = 0.0
        for row in 0..<geometry.rows {
            stored.withUnsafeMutableBufferPointer {
                geometry.read(row: row, of: UnsafeRawBufferPointer(tiles), into: $0)
            }
            for column in 0..<columns {
                let e = Double(values[row * columns + column]) - Double(stored[column])
                error += Double(squares[column]) * e * e
            }
        }
        return error
    }

    /// What rounding the inputs to int8 costs: a step of max |x| / 127 in each group, its square over 12 in each column.
    private func activationError(
        _ weight: SourceWeight, _ format: GroupFormat, _ columnEnergy: [Double]
    ) throws(Failure) -> Double {
        guard let stage = stages[weight.name] else { return 0 }
        let size = format.activationGroupSize
        var error = 0.0
        for (modality, share) in try shares(stage) {
            guard let peaks = try calibration.peaks(stage, modality, groupSize: size) else {
                continue
            }
            for (column, energy) in columnEnergy.enumerated() {
                error += share * energy * Double(peaks[column / size]) / (127 * 127 * 12)
            }
        }
        return error
    }

    /// E[x²] of a weight's inputs, modalities counting alike; nil for what multiplies nothing.
    private func meanSquares(_ weight: SourceWeight) throws(Failure) -> [Float]? {
        guard let stage = stages[weight.name] else { return nil }
        var sum = [Float](repeating: 0, count: weight.columnCount)
        let shares = try shares(stage)
        for (modality, share) in shares {
            guard let squares = try calibration.meanSquares(stage, modality) else { continue }
            for column in sum.indices { sum[column] += Float(share) * squares[column] }
        }
        return shares.isEmpty ? nil : sum
    }

    /// What each modality's moments are multiplied by: 1 over their sum.
    private func shares(_ stage: String) throws(Failure) -> [(Modality, Double)] {
        var shares: [(Modality, Double)] = []
        for modality in Modality.allCases {
            guard let squares = try calibration.meanSquares(stage, modality) else { continue }
            let sum = squares.reduce(0.0) { $0 + Double($1) }
            if sum > 0 { shares.append((modality, 1 / sum)) }
        }
        return shares
    }
}

extension [Allocation.Option] {
    /// What both cost together, in the formats that both can have.
    fileprivate func adding(_ others: Self) -> Self {
        compactMap { option in
            others.first { $0.format == option.format }.map {
                .init(option.format, bytes: option.bytes + $0.bytes, cost: option.cost + $0.cost)
            }
        }
    }
}
