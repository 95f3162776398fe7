import GroupFormats
import Storage
import Testing

/// Matrices whose rows are in several formats.
@Suite struct RowBandsTests {
    private let names = [
        "int6-g64+4096:int4-g32", "int8-g32+16:int6-g128+1024:int5-g32+65536:int4-g16",
        "int4-g32+16:int4-g32",
    ]

    @Test func namesReadBack() throws {
        for name in names {
            let bands = try #require(RowBands(name))
            #expect(bands.description == name)
            #expect(TensorEncoding(name) == .bands(bands))
        }
        for name in [
            "int6-g64+", "+16:int4-g32", "int6-g64+16int4-g32", "int6-g64+0:int4-g32",
            "int6-g64+8:int4-g32", "int6-g64+016:int4-g32", "int6-g64++16:int4-g32", "0:int6-g64+16:int4-g32",
            "int6-g64+32:int4-g32+16:int4-g64", "int6-g64+-16:int4-g32", "int6-g64+16:int4-g32-f16",
            "int6-g64+99999999999999999999:int4-g32", "int6-g64+16:F32",
            "int4-g32" + (1...16).map { "+\($0 * 16):int5-g32" }.joined(),
        ] {
            #expect(TensorEncoding(name) == nil, "\(name)")
        }
    }

    @Test func bandsLieOneAfterTheOther() throws {
        let encoding = try #require(TensorEncoding("int8-g32+32:int5-g64+48:int4-g16"))
        let shape = try #require(Shape.matrix(77, 100))
        let runs = encoding.codedRows(shape)
        #expect(runs.map(\.rows) == [0..<32, 32..<48, 48..<77])
        #expect(runs.map(\.geometry.rows) == [32, 16, 29])
        #expect(runs.map(\.geometry.format.description) == ["int8-g32", "int5-g64", "int4-g16"])
        #expect(runs.first?.bytes.lowerBound == 0)
        for (run, next) in zip(runs, runs.dropFirst()) {
            #expect(run.bytes.upperBound == next.bytes.lowerBound)
        }
        #expect(runs.allSatisfy { $0.bytes.count == $0.geometry.byteCount && $0.bytes.lowerBound % 64 == 0 })
        #expect(encoding.byteCount(shape) == runs.last?.bytes.upperBound)
    }

    @Test func whatCannotBeHeldHasNoSize() throws {
        let encoding = try #require(TensorEncoding("int8-g32+32:int5-g64"))
        for extents in [[77], [32, 100], [16, 100], [77, 0], [Int.max / 2, Int.max / 2]] {
            #expect(Shape(checking: extents).flatMap { encoding.byteCount($0) } == nil, "\(extents)")
        }
        #expect(try #require(TensorEncoding("int8-g32")).codedRows(try #require(.matrix(5, 7))).count == 1)
        #expect(try #require(TensorEncoding("F32")).codedRows(try #require(.matrix(5, 7))).isEmpty)
    }
}
