internal import COpenBLAS
internal import Calibration
internal import GroupFormats
internal import Storage
internal import Threads

/// Some rows of a weight, on which ways to solve it are tried.
struct SampledRows {
    /// Row after row.
    let values: [Float]
    let columns: Int

    /// About `count` rows of `source.weights[index]` in runs of whole tiles, evenly spread.
    init(_ source: some WeightSource, _ index: Int, count: Int) throws(Failure) {
        let weight = source.weights[index]
        let tile = GroupGeometry.tileRows
        let step = max(1, weight.rowCount * tile / max(1, count) / tile) * tile
        var values: [Float] = []
        for first in stride(from: 0, to: weight.rowCount, by: step)
        where values.count < count * weight.columnCount {
            let rows = first..<min(first + tile, weight.rowCount)
            try source.withRows(rows, of: index) { (bytes) throws(Failure) in
                values += bytes.floats(weight.type)
            }
        }
        self.values = values
        columns = weight.columnCount
    }

    /// tr(Δ H Δᵀ) / tr(W H Wᵀ) of the rows once they are solved; infinite where it is no number.
    func error(
        _ format: GroupFormat, _ options: MomentSolver.Options, _ moments: SecondMoments, _ pool: ThreadPool
    ) throws(Failure) -> Double {
        guard let shape = Shape.matrix(values.count / columns, columns),
            let geometry = GroupGeometry(format, shape)
        else { return 0 }
        let tiles = UnsafeMutableRawBufferPointer.allocate(byteCount: geometry.byteCount, alignment: 64)
        defer { tiles.deallocate() }
        let solver = try MomentSolver(geometry, moments, pool, options)
        try values.withBytes { (bytes) throws(Failure) in
            _ = try solver.solve(bytes, .float32, into: tiles, pool)
        }
        var errors = values
        var stored = [Float](repeating: 0, count: columns)
        for row in 0..<geometry.rows {
            stored.withUnsafeMutableBufferPointer {
                geometry.read(row: row, of: UnsafeRawBufferPointer(tiles), into: $0)
            }
            for column in 0..<columns { errors[row * columns + column] -= stored[column] }
        }
        let matrix = UnsafeMutableBufferPointer<Float>.allocate(capacity: columns * columns)
        defer { matrix.deallocate() }
        moments.fill(matrix)
        let energy = power(values, matrix)
        let error = power(errors, matrix)
        guard energy.isFinite, error.isFinite else { return .infinity }
        return energy > 0 ? error / energy : 0
    }

    /// tr(A H Aᵀ).
    private func power(_ rows: [Float], _ matrix: UnsafeMutableBufferPointer<Float>) -> Double {
        let k = Int32(columns)
        var products = [Float](repeating: 0, count: rows.count)
        cblas_sgemm(
            CblasRowMajor, CblasNoTrans, CblasNoTrans, Int32(rows.count / columns), k, k, 1, rows, k,
            matrix.baseAddress, k, 0, &products, k)
        return zip(rows, products).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
}

extension UnsafeRawBufferPointer {
    /// Elements of a floating-point type as floats.
    func floats(_ type: ElementType) -> [Float] {
        switch type {
        case .float64: bindMemory(to: Double.self).map { Float($0) }
        case .float32: Array(bindMemory(to: Float.self))
        case .float16: bindMemory(to: Float16.self).map { Float($0) }
        default: bindMemory(to: UInt16.self).map { Float(bitPattern: UInt32($0) << 16) }
        }
    }
}
