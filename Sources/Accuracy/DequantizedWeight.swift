import Bundles
import GroupFormats
import Runtime
import Storage
import Threads

/// What a bundle's codes stand for, as float32 in memory: what is computed with it rounds no activations.
final class DequantizedWeight {
    private let values: UnsafeMutableBufferPointer<Float>
    private let shape: Shape

    /// The values of a tensor; nil for one that is floats already.
    init?(_ entry: TensorEntry, of bundle: Bundle, _ pool: ThreadPool) throws(Failure) {
        let stored = try StoredRows(entry, of: bundle)
        guard stored.isCoded else { return nil }
        shape = entry.shape
        values = .allocate(capacity: stored.rows * stored.columns)
        let target = values
        pool.run(stored.rows, grain: 16) { rows in
            for row in rows {
                let range = row * stored.columns..<(row + 1) * stored.columns
                stored.read(row, into: UnsafeMutableBufferPointer(rebasing: target[range]))
            }
        }
    }

    deinit { values.deallocate() }

    /// As a part of a graph takes it.
    var lent: LentWeight { LentWeight(.float(.float32), shape, UnsafeRawBufferPointer(values), owner: self) }

    /// Lends a bundle's weights as floats.
    static func lending(
        _ bundle: Bundle, _ pool: ThreadPool
    ) -> (String) throws(Failure) -> LentWeight? {
        { (name) throws(Failure) in
            guard let entry = bundle[name] else { return nil }
            return try DequantizedWeight(entry, of: bundle, pool)?.lent ?? LentWeight(name, of: bundle)
        }
    }
}
