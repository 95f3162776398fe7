import CKernels
import Glibc
import GroupFormats
import Storage

/// What an encoding holds in the place of rows when nothing clever is done: the range of each group, values to nearest.
///
/// Solvers that know the inputs leave weights further away than this, but seldom by half as much again.
struct PlainRounding {
    let encoding: TensorEncoding

    /// At most 16 rows, rounded; nil where a value is not finite or the encoding cannot hold them.
    func callAsFunction(_ values: [Float], columns: Int) -> [Float]? {
        switch encoding {
        case .float(let type): values.map { type.rounded($0) }
        case .groups(let format): PlainRounding.fitted(values, columns, format)
        case .bands: nil
        case .zeroPoints(let format), .affine(let format):
            grouped(values, columns, format.groupSize) { PlainRounding.round($0, format.bits.rawValue) }
        case .float4(let format):
            grouped(values, columns, format.groupSize) { PlainRounding.roundToFloat4($0, format) }
        }
    }

    /// By the kernels that fit group codes.
    private static func fitted(_ values: [Float], _ columns: Int, _ format: GroupFormat) -> [Float]? {
        let rows = values.count / columns
        guard rows <= GroupGeometry.tileRows, let shape = Shape.matrix(rows, columns),
            let geometry = GroupGeometry(format, shape)
        else { return nil }
        var kernelFormat = geometry.kernelFormat
        let tile = UnsafeMutableRawBufferPointer.allocate(byteCount: geometry.byteCount, alignment: 64)
        let scratch = UnsafeMutableRawBufferPointer.allocate(
            byteCount: tsr_fit_scratch_bytes(&kernelFormat), alignment: 64)
        defer {
            tile.deallocate()
            scratch.deallocate()
        }
        var weighting = tsr_fit_weighting(importance: nil, magnitude: 0)
        var error = tsr_fit_error()
        let isFitted = values.withUnsafeBytes { bytes in
            var source = tsr_fit_rows(
                data: bytes.baseAddress, stride: columns * ElementType.float32.width, count: UInt32(rows),
                type: TSR_FIT_F32)
            return tsr_fit_tile(
                &kernelFormat, TSR_FIT_NEAREST, &weighting, &source, scratch.baseAddress,
                tile.baseAddress?.assumingMemoryBound(to: UInt8.self), &error)
        }
        guard isFitted else { return nil }
        return [Float](unsafeUninitializedCapacity: values.count) { out, count in
            for row in 0..<rows {
                geometry.read(
                    row: row, of: UnsafeRawBufferPointer(tile),
                    into: UnsafeMutableBufferPointer(rebasing: out[row * columns..<(row + 1) * columns]))
            }
            count = rows * columns
        }
    }

    private func grouped(
        _ values: [Float], _ columns: Int, _ groupSize: Int, _ round: (ArraySlice<Float>) -> [Float]
    ) -> [Float]? {
        guard values.allSatisfy(\.isFinite) else { return nil }
        var out: [Float] = []
        out.reserveCapacity(values.count)
        for start in stride(from: 0, to: values.count, by: columns) {
            for first in stride(from: start, to: start + columns, by: groupSize) {
                out += round(values[first..<min(first + groupSize, start + columns)])
            }
        }
        return out
    }

    /// To 2^bits steps over the range of a group, zero within it.
    private static func round(_ group: ArraySlice<Float>, _ bits: Int) -> [Float] {
        let low = min(0, group.min() ?? 0)
        let high = max(0, group.max() ?? 0)
        let scale = (high - low) / Float(1 << bits - 1)
        return scale > 0 ? group.map { (($0 - low) / scale).rounded() * scale + low } : Array(group)
    }

    /// To the values of E2M1 times a scale by which the largest of a group comes near the largest of these, 6.
    private static func roundToFloat4(_ group: ArraySlice<Float>, _ format: Float4Format) -> [Float] {
        let largest = group.reduce(0) { max($0, abs($1)) }
        guard largest > 0 else { return Array(group) }
        let scale = format == .nvfp4 ? largest / 6 : exp2(floor(log2(largest)) - 2)
        let grid: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
        return group.map { value in
            let size = abs(value) / scale
            let nearest = grid.min { abs($0 - size) < abs($1 - size) } ?? 0
            return value < 0 ? -nearest * scale : nearest * scale
        }
    }
}

extension ElementType {
    /// The nearest value that this floating-point type has.
    fileprivate func rounded(_ value: Float) -> Float {
        switch self {
        case .float16: return Float(Float16(value))
        case .bfloat16:
            guard value.isFinite else { return value }
            let bits = value.bitPattern
            return Float(bitPattern: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) & 0xFFFF_0000)
        default: return value
        }
    }
}
