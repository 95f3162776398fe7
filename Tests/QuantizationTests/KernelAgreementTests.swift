import CKernels
import GroupFormats
import Quantization
import Storage
import Testing

@Suite struct KernelAgreementTests {
    /// What the kernels of the runtime read from a tile is what the format says.
    @Test(arguments: GroupFormat.all, [40, 3420])
    func kernelsReadTheSameFloats(format: GroupFormat, columns: Int) throws {
        var numbers = Numbers(8)
        let fitted = try Fitted(numbers.weights(17 * columns), columns: columns, format, .search)
        let bits = UInt32(format.bits.rawValue), group = UInt32(format.groupSize)
        #expect(tsr_packed_tile_bytes(columns, bits, group, TSR_ROW_FACTORS) == fitted.geometry.tileBytes)
        let tiles = UnsafeMutableRawBufferPointer.allocate(byteCount: fitted.bytes.count, alignment: 64)
        defer { tiles.deallocate() }
        tiles.copyBytes(from: fitted.bytes)
        var packed = tsr_packed(
            tiles: UnsafeRawPointer(try #require(tiles.baseAddress)).assumingMemoryBound(to: UInt8.self),
            rows: 17,
            columns: columns, bits: bits, group: group, scales: TSR_ROW_FACTORS)
        let values = fitted.values
        for row in 0..<17 {
            var read = [Float](repeating: .nan, count: columns)
            tsr_packed_row(&packed, row, &read)
            for (k, value) in read.enumerated() {
                #expect(abs(value - values[row * columns + k]) <= 1e-6)
            }
        }
    }
}
