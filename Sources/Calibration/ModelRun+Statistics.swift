import Runtime
public import Storage
public import Threads

extension ModelRun.Visit {
    /// The statistics of the rows of each modality.
    public func statistics(
        _ modalities: [Modality], _ pool: ThreadPool
    ) throws(Failure) -> [Modality: StageStatistics] {
        var all: [Modality: StageStatistics] = [:]
        for modality in modalities { all[modality] = StageStatistics(columns: columns) }
        try forEachRun { (_, modality, rows) in all[modality]?.add(rows, pool) }
        return all
    }

    /// The second moments of the rows, one sample in eight held out.
    public func splitMoments(_ pool: ThreadPool) throws(Failure) -> SplitMoments {
        let split = SplitMoments(columns: columns)
        try forEachRun { (sample, modality, rows) in
            split.add(rows, modality, isHeldOut: sample % 8 == 7, pool)
        }
        return split
    }

    /// Lends the rows of sample after sample, those of one modality at a time.
    private func forEachRun(
        _ body: (Int, Modality, UnsafeBufferPointer<Float>) -> Void
    ) throws(Failure) {
        var sample = 0
        try forEachSample { (rows, visual) throws(Failure) in
            for run in visual.runs(of: rows.count) {
                rows.values.withUnsafeBufferPointer { values in
                    let part = values[run.rows.lowerBound * rows.columns..<run.rows.upperBound * rows.columns]
                    body(sample, run.modality, UnsafeBufferPointer(rebasing: part))
                }
            }
            sample += 1
        }
    }
}

extension ModelRun.VisualRows {
    /// Rows of one modality after another.
    func runs(of count: Int) -> [(modality: Modality, rows: Range<Int>)] {
        guard case .some(let visual) = self else { return [(.vision, 0..<count)] }
        var runs: [(modality: Modality, rows: Range<Int>)] = []
        var next = 0
        var isVisual = Array(repeating: false, count: count)
        for row in visual where isVisual.indices.contains(Int(row)) { isVisual[Int(row)] = true }
        while next < count {
            let end = isVisual[next...].firstIndex { $0 != isVisual[next] } ?? count
            runs.append((isVisual[next] ? .vision : .text, next..<end))
            next = end
        }
        return runs
    }
}
