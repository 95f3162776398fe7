import Runtime
public import Storage
public import Threads

extension ModelRun.Visit {
    /// The statistics of the rows of each modality.
    /// - Parameter coverage: what the stage reads in all.
    public func statistics(
        _ modalities: [Modality], _ coverage: StageCoverage, _ pool: ThreadPool
    ) throws(Failure) -> [Modality: StageStatistics] {
        var all: [Modality: StageStatistics] = [:]
        for modality in modalities {
            all[modality] = StageStatistics(columns: columns, rows: coverage.rows(of: modality))
        }
        try forEachRun { (modality, rows) in all[modality]?.add(rows, pool) }
        for statistics in all.values { statistics.finish() }
        return all
    }

    /// The second moments of the rows.
    public func moments(_ pool: ThreadPool) throws(Failure) -> ModalMoments {
        let moments = ModalMoments(columns: columns)
        try forEachRun { (modality, rows) in moments.add(rows, modality, pool) }
        return moments
    }

    /// Lends the rows of sample after sample, those of one modality at a time.
    private func forEachRun(
        _ body: (Modality, UnsafeBufferPointer<Float>) -> Void
    ) throws(Failure) {
        try forEachSample { (rows, visual) throws(Failure) in
            for run in visual.runs(of: rows.count) {
                rows.values.withUnsafeBufferPointer { values in
                    let part = values[run.rows.lowerBound * rows.columns..<run.rows.upperBound * rows.columns]
                    body(run.modality, UnsafeBufferPointer(rebasing: part))
                }
            }
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
