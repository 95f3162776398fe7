import GraphIR
import Runtime
public import Storage
public import Threads

/// The rows of a stage that each of its experts reads, as the router sent them: their second moments, one expert at a time.
///
/// Memory is 16 bytes for each row that an expert reads, and the moments of one expert; the work over all experts is that of
/// all those rows.
public struct ExpertRows {
    /// A row that an expert reads.
    private struct Row {
        let sample: Int32
        let modality: Modality
        /// Where it begins in the stage's input for the sample, counted in floats.
        let start: Int
    }

    private let run: StagedRun
    private let columns: Int
    /// What a row of each modality counts.
    private let shares: [Modality: Double]
    /// By expert, in the order of the samples and of their rows.
    private var rows: [[Row]]

    /// Rows whose products are computed together.
    private static let chunk = 512

    fileprivate init(
        _ visit: ModelRun.Visit, _ routes: StagedGraph.Routes, shares: [Modality: Double]
    ) throws(Failure) {
        run = visit.run
        columns = visit.columns
        self.shares = shares
        rows = Array(repeating: [], count: routes.experts)
        let width = run.staged.graph[visit.stage.input].type.columns ?? 0
        // Inputs of gate and up are read by all that were chosen; those of down lie side by side.
        let step = width > columns ? columns : 0
        for sample in 0..<run.sampleCount {
            guard let choices = try run.stageRoutes(sample) else { continue }
            for part in visit.visualRows(sample).runs(of: choices.count) {
                for row in part.rows {
                    for choice in 0..<routes.chosen {
                        let number = choices.values[row * choices.columns + choice]
                        rows[StagedGraph.Routes.expert(number, of: routes.experts)].append(
                            Row(
                                sample: Int32(sample), modality: part.modality,
                                start: row * width + choice * step))
                    }
                }
            }
        }
    }

    /// How many experts there are.
    public var count: Int { rows.count }

    /// The moments of what an expert reads, modalities balanced as in those of the whole stage, shrunk towards these: they
    /// count as many rows as a quarter of the columns, and are all there is where the expert reads nothing.
    public func moments(
        of expert: Int, towards all: SecondMoments, _ pool: ThreadPool
    ) throws(Failure) -> SecondMoments {
        try sum(rows[expert], pool).shrunk(towards: all, rows: Double(columns) / 4)
    }

    private func sum(_ rows: [Row], _ pool: ThreadPool) throws(Failure) -> SecondMoments {
        let sum = SecondMoments(columns: columns)
        let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: Self.chunk * columns)
        defer { buffer.deallocate() }
        for modality in Modality.allCases {
            let own = rows.filter { $0.modality == modality }
            guard !own.isEmpty else { continue }
            let moments = SecondMoments(columns: columns)
            for first in stride(from: 0, to: own.count, by: Self.chunk) {
                let chunk = own[first..<min(own.count, first + Self.chunk)]
                try read(chunk, into: buffer)
                moments.add(UnsafeBufferPointer(rebasing: buffer[..<(chunk.count * columns)]), pool)
            }
            sum.add(moments, share: shares[modality] ?? 0)
        }
        return sum
    }

    /// Fills the start of `buffer` with rows.
    private func read(
        _ rows: ArraySlice<Row>, into buffer: UnsafeMutableBufferPointer<Float>
    ) throws(Failure) {
        var first = rows.startIndex
        while first < rows.endIndex {
            let sample = rows[first].sample
            let end = rows[first...].firstIndex { $0.sample != sample } ?? rows.endIndex
            let place = (first - rows.startIndex) * columns
            try run.stageInput(
                Int(sample), at: rows[first..<end].lazy.map(\.start), width: columns,
                into: UnsafeMutableBufferPointer(rebasing: buffer[place...]))
            first = end
        }
    }
}

extension ModelRun.Visit {
    /// What each expert of the stage reads; nil where all linears read all rows.
    /// - Parameter whole: the moments of the whole stage, by whose modalities those of experts are balanced.
    public func expertRows(_ whole: borrowing ModalMoments) throws(Failure) -> ExpertRows? {
        guard let routes = stage.routes else { return nil }
        return try ExpertRows(self, routes, shares: try whole.shares())
    }
}
