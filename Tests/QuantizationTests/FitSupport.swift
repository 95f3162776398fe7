import CKernels
import GroupFormats
import Quantization
import Storage
import Testing
import Threads

/// Numbers that are the same in every run: SplitMix64.
struct Numbers: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// Close to a normal distribution: the sum of twelve uniform numbers.
    mutating func normal() -> Float {
        (0..<12).reduce(-6) { sum, _ in sum + Float.random(in: 0..<1, using: &self) }
    }

    /// Rows × columns of weights, a few of them far out.
    mutating func weights(_ count: Int) -> [Float] {
        (0..<count).map { _ in
            let value = normal() * 0.02
            return UInt8.random(in: 0..<100, using: &self) == 0 ? value * 8 : value
        }
    }
}

/// A matrix in group codes.
struct Fitted: Equatable {
    let geometry: GroupGeometry
    let bytes: [UInt8]
    let distortion: Distortion

    init(
        _ weights: [Float], columns: Int, _ format: GroupFormat, _ solver: Solver, importance: [Float]? = nil,
        magnitude: Float? = nil, threads: Int = 1
    ) throws {
        let shape = Shape.matrix(weights.count / columns, columns)
        let geometry = try #require(shape.flatMap { GroupGeometry(format, $0) })
        let fitter = try GroupFitter(geometry, solver, importance: importance, magnitude: magnitude)
        let pool = try ThreadPool(threads: threads)
        var bytes = [UInt8](repeating: 0xAA, count: geometry.byteCount)
        distortion = try bytes.withUnsafeMutableBytes { tiles in
            try weights.withUnsafeBytes { try fitter.fit($0, .float32, into: tiles, pool) }
        }
        self.geometry = geometry
        self.bytes = bytes
    }

    /// All values, row by row.
    var values: [Float] {
        var values = [Float](repeating: .nan, count: geometry.rows * geometry.columns)
        values.withUnsafeMutableBufferPointer { values in
            bytes.withUnsafeBytes { bytes in
                for row in 0..<geometry.rows {
                    let range = row * geometry.columns..<(row + 1) * geometry.columns
                    geometry.read(
                        row: row, of: bytes, into: UnsafeMutableBufferPointer(rebasing: values[range]))
                }
            }
        }
        return values
    }

    /// The tile with this row.
    func tile(of row: Int) -> GroupTile {
        let start = row / 16 * geometry.tileBytes
        return bytes.withUnsafeBytes {
            GroupTile(
                unpacking: UnsafeRawBufferPointer(rebasing: $0[start..<start + geometry.tileBytes]), geometry)
        }
    }
}

func format(_ bits: GroupFormat.Bits, _ groupSize: Int) throws -> GroupFormat {
    try #require(GroupFormat(bits, groupSize: groupSize))
}
