import GroupFormats
import Storage
import Testing

@testable import Quantization

/// Tiles that are filled part by part.
@Suite struct TileRowsTests {
    /// Parts of any size, in any order, make the tiles that the whole makes.
    @Test(arguments: [GroupFormat.Bits.four, .eight])
    func partsMakeTheWhole(bits: GroupFormat.Bits) throws {
        let (rows, columns) = (70, 72)
        var numbers = Numbers(4)
        let weights = numbers.weights(rows * columns)
        let whole = try Fitted(weights, columns: columns, format(bits, 32), .search)
        let all = 0..<rows
        let partings: [[Range<Int>]] = [
            [all], [0..<16, 16..<70], [0..<40, 40..<70], [40..<70, 0..<5, 23..<40, 5..<6, 6..<23],
            all.map { $0..<$0 + 1 }.reversed(),
        ]
        for parts in partings {
            var bytes = [UInt8](repeating: 0, count: whole.geometry.byteCount)
            try bytes.withUnsafeMutableBytes { bytes in
                let target = TileRows(whole.geometry, bytes, rows: rows)
                for part in parts {
                    let values = Array(weights[part.lowerBound * columns..<part.upperBound * columns])
                    try target.fill(part) { (tiles) throws(Failure) in
                        guard let fitted = try? Fitted(values, columns: columns, format(bits, 32), .search)
                        else { return }
                        tiles.copyBytes(from: fitted.bytes)
                    }
                }
            }
            #expect(bytes == whole.bytes, "\(parts)")
        }
    }
}
