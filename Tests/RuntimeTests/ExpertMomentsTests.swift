import Bundles
import GraphIR
import GroupFormats
import Quantization
import Runtime
import SampleSets
import Storage
import Tessera
import TestSupport
import Testing
import Threads

@testable import Calibration

/// What each expert of a mixture reads, and codes chosen by that.
@Suite(.serialized) struct ExpertMomentsTests {
    private static let fixture = "qwen3-vl-moe"
    private let prepared: PreparedFixture
    private let pool: ThreadPool
    private let format: GroupFormat

    init() throws {
        prepared = try PreparedFixture(Self.fixture)
        pool = try ThreadPool(threads: 2)
        format = try #require(GroupFormat(.four, groupSize: 32))
    }

    /// A stage of experts, with all that was read: by expert, then by modality, row after row.
    private struct Mixture {
        let visit: ModelRun.Visit
        let rows: [[Modality: [Float]]]

        init(_ visit: ModelRun.Visit) throws(Failure) {
            self.visit = visit
            let routes = visit.stage.routes
            let columns = visit.columns
            var all = Array(repeating: [Modality: [Float]](), count: routes?.experts ?? 0)
            var sample = 0
            try visit.forEachSample { (inputs, visual) throws(Failure) in
                defer { sample += 1 }
                guard let choices = try visit.run.stageRoutes(sample), let chosen = routes?.chosen else {
                    return
                }
                for part in visual.runs(of: inputs.count) {
                    for row in part.rows {
                        for choice in 0..<chosen {
                            let expert = Int(choices.values[row * choices.columns + choice])
                            let start =
                                row * inputs.columns + (inputs.columns > columns ? choice * columns : 0)
                            all[expert][part.modality, default: []] += inputs.values[start..<start + columns]
                        }
                    }
                }
            }
            rows = all
        }

        /// All that an expert reads.
        func rows(of expert: Int) -> [Float] { Modality.allCases.flatMap { rows[expert][$0] ?? [] } }
    }

    /// Runs the model of full precision over a set, and stops at each stage of experts.
    private func forEachMixture(
        _ set: PreparedSet, _ body: (Mixture, ExpertRows, SecondMoments) throws(Failure) -> Void
    ) throws {
        let run = ModelRun(prepared.graph, set, patches: prepared.patches, pool: pool)
        var seen = 0
        try run.run(
            weight: { (name) throws(Failure) in LentWeight(name, of: prepared.model.bundle) },
            visit: { (visit) throws(Failure) in
                guard visit.stage.routes != nil else { return }
                let read = try visit.moments(pool)
                guard let experts = try visit.expertRows(read), let all = try read.balanced() else { return }
                try body(try Mixture(visit), experts, all)
                seen += 1
            })
        #expect(seen == 4)
    }

    /// A set of one sample of one token: two of the five experts read nothing.
    private var tiny: PreparedSet {
        get throws {
            var set = PreparedSet(prepared.model.prompt)
            try set.add([7], [])
            return set
        }
    }

    private static func matrix(_ moments: SecondMoments) -> [Float] {
        var values = [Float](repeating: 0, count: moments.columns * moments.columns)
        values.withUnsafeMutableBufferPointer { moments.fill($0) }
        return values
    }

    private static func differ(_ a: [Float], _ b: [Float]) -> Double {
        let error = zip(a, b).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
        return (error / b.reduce(0.0) { $0 + Double($1) * Double($1) }).squareRoot()
    }

    /// Against plain loops over the rows that were sent to each.
    @Test func momentsAreOfTheRowsThatWereSent() throws {
        try forEachMixture(prepared.set) { (mixture, experts, all) throws(Failure) in
            let columns = mixture.visit.columns
            // A row of each modality counts what it counts in the moments of all.
            var traces: [Modality: Double] = [:]
            try mixture.visit.forEachSample { (inputs, visual) throws(Failure) in
                for part in visual.runs(of: inputs.count) {
                    let rows = part.rows.lowerBound * inputs.columns..<part.rows.upperBound * inputs.columns
                    traces[part.modality, default: 0] += inputs.values[rows].reduce(0.0) {
                        $0 + Double($1) * Double($1)
                    }
                }
            }
            for expert in 0..<experts.count {
                var own = [Double](repeating: 0, count: columns * columns)
                for (modality, rows) in mixture.rows[expert] {
                    for start in stride(from: 0, to: rows.count, by: columns) {
                        for i in 0..<columns {
                            for j in 0..<columns {
                                let product = Double(rows[start + i]) * Double(rows[start + j])
                                own[i * columns + j] += product / (traces[modality] ?? 0)
                            }
                        }
                    }
                }
                let count = Double(mixture.rows(of: expert).count / columns)
                let trace = (0..<columns).reduce(0) { $0 + own[$1 * columns + $1] }
                let pooled = Self.matrix(all)
                let whole = (0..<columns).reduce(0) { $0 + Double(pooled[$1 * columns + $1]) }
                let shared = Double(columns) / 4
                let mixed = zip(own, pooled).map { Float($0 / trace * count + Double($1) / whole * shared) }
                let moments = try experts.moments(of: expert, towards: all, pool)
                let found = Self.matrix(moments)
                let size = Double(mixed[0]) / Double(found[0])
                #expect(Self.differ(found.map { Float(Double($0) * size) }, mixed) < 1e-5)
                #expect(moments.count == Int(count) + all.count)
            }
        }
    }

    /// Codes chosen by what an expert reads err less on that than codes chosen by what all read.
    @Test func codesFollowWhatAnExpertReads() throws {
        try forEachMixture(prepared.set) { (mixture, experts, all) throws(Failure) in
            for weight in mixture.visit.stage.linears.flatMap(\.operation.weightNames) {
                let (values, columns) = (try self.values(weight), mixture.visit.columns)
                let size = values.count / experts.count
                var (pooled, own) = (0.0, 0.0)
                for expert in 0..<experts.count {
                    let rows = Array(values[expert * size..<(expert + 1) * size])
                    let moments = try experts.moments(of: expert, towards: all, pool)
                    let inputs = mixture.rows(of: expert)
                    pooled += outputError(try solve(rows, all), rows, inputs, columns)
                    own += outputError(try solve(rows, moments), rows, inputs, columns)
                }
                #expect(own < pooled * 0.95, "\(weight): \(own) of \(pooled)")
            }
        }
    }

    private func values(_ weight: String) throws(Failure) -> [Float] {
        guard let index = prepared.graph.weights.firstIndex(where: { $0.name == weight }) else { return [] }
        var values: [Float] = []
        let weights = try BundleWeights(prepared.model.bundle)
        guard let place = weights.weights.firstIndex(where: { $0.name == weight }) else { return [] }
        let rows = prepared.graph.weights[index].shape.extents[0]
        try weights.withRows(0..<rows, of: place) { (bytes) throws(Failure) in
            values = bytes.bindMemory(to: UInt16.self).map { Float(bitPattern: UInt32($0) << 16) }
        }
        return values
    }

    /// The values that codes stand for.
    private func solve(_ rows: [Float], _ moments: SecondMoments) throws(Failure) -> [Float] {
        let columns = moments.columns
        guard let shape = Shape.matrix(rows.count / columns, columns),
            let geometry = GroupGeometry(format, shape)
        else { return [] }
        let solver = try MomentSolver(geometry, moments, pool)
        let tiles = UnsafeMutableRawBufferPointer.allocate(byteCount: geometry.byteCount, alignment: 64)
        defer { tiles.deallocate() }
        try rows.withBytes { (bytes) throws(Failure) in
            _ = try solver.solve(bytes, .float32, into: tiles, pool)
        }
        return decoded(UnsafeRawBufferPointer(tiles), geometry)
    }

    private func decoded(_ tiles: UnsafeRawBufferPointer, _ geometry: GroupGeometry) -> [Float] {
        (0..<geometry.rows).flatMap { row in
            var values = [Float](repeating: 0, count: geometry.columns)
            values.withUnsafeMutableBufferPointer { geometry.read(row: row, of: tiles, into: $0) }
            return values
        }
    }

    /// Σ ((W − Ŵ)x)² over all inputs.
    private func outputError(_ stored: [Float], _ rows: [Float], _ inputs: [Float], _ columns: Int) -> Double
    {
        var error = 0.0
        for row in stride(from: 0, to: rows.count, by: columns) {
            for input in stride(from: 0, to: inputs.count, by: columns) {
                let e = (0..<columns).reduce(0.0) {
                    $0 + Double(rows[row + $1] - stored[row + $1]) * Double(inputs[input + $1])
                }
                error += e * e
            }
        }
        return error
    }

    /// An expert that reads nothing is solved against what all read.
    @Test func expertsWithoutRows() throws {
        try forEachMixture(tiny) { (mixture, experts, all) throws(Failure) in
            var idle = 0
            let pooled = Self.matrix(all)
            for expert in 0..<experts.count where mixture.rows(of: expert).isEmpty {
                let moments = Self.matrix(try experts.moments(of: expert, towards: all, pool))
                #expect(Self.differ(moments, pooled) < 1e-6)
                idle += 1
            }
            #expect(idle == 2)
        }
    }

    // MARK: A whole model

    private func calibration(_ set: PreparedSet, _ path: String) throws -> CalibrationFile {
        let recorder = try CalibrationRecorder(
            prepared.model.bundle, set, patches: prepared.patches, detail: .full, sensitivity: false,
            threads: 2)
        _ = try recorder.run(to: OutputPath(path, replacing: false, inputs: []), data: .null) {
            _ throws(Failure) in
        }
        return try CalibrationFile(
            path, of: prepared.model.bundle.digest, prepared.graph, prepared.model.prompt)
    }

    private func quantize(
        _ calibration: CalibrationFile, _ roles: [String], to path: String, threads: Int = 2, stop: Int? = nil
    ) throws -> Bundle {
        let recipe = Recipe("r", rules: [.init(roles, .groups(format, .refit))])
        return try calibratedBundle(
            recipe, prepared.graph, prepared.model.bundle, calibration, to: path, threads: threads, stop: stop
        ).bundle
    }

    /// The rows of each expert, in tiles that they share with others, are those that its own moments give alone.
    @Test(arguments: [false, true])
    func eachExpertIsSolvedByItself(isTiny: Bool) throws {
        let directory = try TemporaryDirectory()
        let set = isTiny ? try tiny : prepared.set
        let calibration = try calibration(set, directory.file("cal"))
        // Of the first block, and not what follows from it: their inputs are those of full precision.
        let roles = ["text.experts.gate", "text.experts.up"]
        let made = try quantize(calibration, roles, to: directory.file("q"))
        var block = 0
        try forEachMixture(set) { (mixture, experts, all) throws(Failure) in
            defer { block += 1 }
            guard block == 0 else { return }
            for weight in mixture.visit.stage.linears.flatMap(\.operation.weightNames) {
                let values = try self.values(weight)
                guard let entry = made[weight], let geometry = GroupGeometry(format, entry.shape) else {
                    Issue.record("'\(weight)' is not there")
                    continue
                }
                let mapped = made.bytes(of: entry)
                let stored = decoded(mapped.bytes, geometry)
                withExtendedLifetime(mapped) {}
                let size = values.count / experts.count
                #expect(size / geometry.columns % GroupGeometry.tileRows != 0)
                for expert in 0..<experts.count {
                    let rows = expert * size..<(expert + 1) * size
                    let moments = try experts.moments(of: expert, towards: all, pool)
                    #expect(try solve(Array(values[rows]), moments) == Array(stored[rows]), "\(weight)")
                }
            }
        }
    }

    /// On any number of threads, and interrupted anywhere, the bytes are the same.
    @Test func bytesDependOnNothingElse() throws {
        let directory = try TemporaryDirectory()
        let calibration = try calibration(prepared.set, directory.file("cal"))
        let roles = ["text.*"]
        let whole = try quantize(calibration, roles, to: directory.file("whole"))
        let one = try quantize(calibration, roles, to: directory.file("one"), threads: 1)
        #expect(whole.digest == one.digest)
        let path = directory.file("again")
        for stop in stride(from: 1, to: 1000, by: 17) {
            do {
                let resumed = try quantize(calibration, roles, to: path, stop: stop)
                #expect(resumed.digest == whole.digest && stop > 17)
                return
            } catch let failure as Failure { try #require(failure.kind == .interrupted) }
        }
        Issue.record("never ends")
    }
}
