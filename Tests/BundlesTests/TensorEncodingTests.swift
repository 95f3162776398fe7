import GroupFormats
import Storage
import Testing

@Suite struct TensorEncodingTests {
    @Test func namesReadBack() {
        let all =
            GroupFormat.all.flatMap { [TensorEncoding.groups($0), .zeroPoints($0), .affine($0)] } + [
                .float(.float32), .float(.float16), .float(.bfloat16), .float4(.mxfp4), .float4(.nvfp4),
            ]
        #expect(all.count == 47 && Set(all.map(\.description)).count == 47)
        for encoding in all { #expect(TensorEncoding(encoding.description) == encoding) }
        for name in [
            "", "I64", "I8", "int4-g", "int4-g8", "int8-g8", "int4-g032", "INT4-G32", "int5-g16", "int7-g32",
            "int5-g16-f16", "int4-g32-f16b ", "int4-g8-f16b", "int6-g16-f16b", "mxfp4-g32", "MXFP4", "nvfp4 ",
            "int4-g8-f16", "int4-g32-bf16", "int4-g32-f16 ",
        ] {
            #expect(TensorEncoding(name) == nil, "\(name)")
        }
    }

    @Test(
        arguments: [
            ("BF16", [3, 5], 30), ("F32", [7], 28), ("F16", [1, 1], 2),
            // 128 + 64·⌈groups/2⌉ + 16·groups·G·bits/8 a tile.
            ("int4-g32", [16, 64], 128 + 64 + 512), ("int4-g64", [17, 65], 2 * (128 + 64 + 1024)),
            ("int4-g16", [1, 1], 128 + 64 + 128), ("int4-g128", [16, 257], 128 + 128 + 3072),
            ("int5-g64", [17, 65], 2 * (128 + 64 + 1280)), ("int6-g128", [16, 257], 128 + 128 + 4608),
            ("int8-g16", [16, 96], 128 + 192 + 1536), ("int8-g32", [16, 96], 128 + 128 + 1536),
            ("int8-g128", [8960, 1536], 560 * (128 + 384 + 24576)),
            // 48·groups, rounded up to 64, + 16·groups·G·bits/8 a tile.
            ("int4-g128-f16", [17, 129], 2 * (128 + 2048)), ("int8-g32-f16", [1, 1], 64 + 512),
            ("int5-g32-f16", [17, 33], 2 * (128 + 640)), ("int6-g64-f16", [1, 1], 64 + 768),
            // 64·groups.
            ("int4-g64-f16b", [17, 65], 2 * (128 + 1024)), ("int5-g32-f16b", [1, 33], 128 + 640),
            ("int8-g128-f16b", [16, 1], 64 + 2048),
            // 128 + 16·groups, rounded up to 64.
            ("mxfp4", [17, 33], 2 * (128 + 64 + 512)), ("nvfp4", [16, 65], 128 + 128 + 640),
        ] as [(String, [Int], Int)])
    func sizes(name: String, extents: [Int], bytes: Int) throws {
        let shape = try #require(Shape(checking: extents))
        let encoding = try #require(TensorEncoding(name))
        #expect(encoding.byteCount(shape) == bytes)
    }

    @Test func impossibleShapesHaveNoSize() throws {
        for extents in [
            [], [0], [0, 4], [4, 0], [1, 2, 3], [Int.max, 1], [1, Int.max], [1 << 31, 1 << 31],
        ] {
            let shape = try #require(Shape(checking: extents))
            for format in GroupFormat.all {
                for encoding in [TensorEncoding.groups(format), .zeroPoints(format), .affine(format)] {
                    let size = encoding.byteCount(shape)
                    #expect(size == nil || extents == [1 << 31, 1 << 31])
                }
            }
        }
        let (small, huge) = (try #require(Shape(checking: [4])), try #require(Shape(checking: [1 << 62])))
        #expect(TensorEncoding.float(.int8).byteCount(small) == nil)
        #expect(TensorEncoding.float(.float32).byteCount(huge) == nil)
    }

    @Test func bitsPerWeight() throws {
        let format = try #require(GroupFormat(.four, groupSize: 64))
        let shape = try #require(Shape(checking: [8960, 1536]))
        let geometry = try #require(GroupGeometry(format, shape))
        #expect(abs(geometry.bitsPerWeight - 4.2917) < 1e-3)
    }
}
