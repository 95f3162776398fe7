internal import GroupFormats
internal import Storage

/// Biases that make up for what rounding does to the mean of a linear's outputs: bʹ = b + (W − Ŵ)·E[x].
enum CorrectedBias {
    /// bʹ of `source.weights[bias]` for `source.weights[weight]`, whose tiles are at hand.
    /// - Parameter mean: E[x], K elements.
    static func values(
        _ source: some WeightSource, bias: Int, weight: Int, _ geometry: GroupGeometry,
        _ tiles: UnsafeRawBufferPointer, mean: [Float]
    ) throws(Failure) -> [Float] {
        var values: [Float] = []
        try source.withRows(0..<1, of: bias) { (bytes) throws(Failure) in
            values = bytes.floats(source.weights[bias].type)
        }
        let columns = geometry.columns
        var stored = [Float](repeating: 0, count: columns)
        let panel = GroupGeometry.tileRows * 16
        for first in stride(from: 0, to: geometry.rows, by: panel) {
            let rows = first..<min(first + panel, geometry.rows)
            try source.withRows(rows, of: weight) { (bytes) throws(Failure) in
                let exact = bytes.floats(source.weights[weight].type)
                for row in rows {
                    stored.withUnsafeMutableBufferPointer {
                        geometry.read(row: row, of: tiles, into: $0)
                    }
                    let start = (row - first) * columns
                    var shift = 0.0
                    for column in 0..<columns {
                        shift += Double(exact[start + column] - stored[column]) * Double(mean[column])
                    }
                    values[row] += Float(shift)
                }
            }
        }
        return values
    }
}
