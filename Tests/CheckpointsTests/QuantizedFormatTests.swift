import GroupFormats
import Storage
import TestSupport
import Testing

@testable import Checkpoints

/// A checkpoint as a quantizing tool stores it, and what the tool's own code makes of its weights.
struct QuantizedFixture: CustomStringConvertible, Sendable {
    let name: String
    /// Of the format that reads it.
    let title: String
    var description: String { name }
    var directory: String { Fixtures.path("quantized/\(name)") }

    static let all: [QuantizedFixture] = [
        ("bitsandbytes 4 bits", ["bnb-nf4", "bnb-nf4-double", "bnb-fp4"]),
        ("bitsandbytes int8", ["bnb-int8"]),
        (
            "MLX",
            ["2", "3", "4", "5", "6", "8"].map { "mlx-affine\($0)" }
                + ["mlx-mxfp4", "mlx-mxfp8", "mlx-nvfp4", "mlx-own"]
        ),
        (
            "compressed-tensors",
            ["2", "3", "5", "6", "7"].map { "packed-int\($0)" }
                + ["packed-int3-padded", "nvfp4", "mxfp4", "mxfp8"]
        ),
        (
            "GPTQ",
            ["gptq-int2", "gptq-int3", "gptq-dynamic"] + ["3", "5", "6", "7"].map { "gptq-planes\($0)" }
        ),
        ("auto-round", ["auto-round-asym", "auto-round-sym", "auto-round-mixed"]), ("FP8", ["fp8-exponents"]),
        ("modelopt", ["modelopt-fp8", "modelopt-awq", "modelopt-nvfp4"]),
        ("torchao", ["torchao-int8", "torchao-float8"]),
    ].flatMap { title, names in names.map { QuantizedFixture(name: $0, title: title) } }

    func weights() throws -> StoredWeights {
        try StoredWeights(
            Checkpoint(directory), config: JSON(file: Path.join(directory, "config.json")))
    }

    func expected() throws -> [SourceTensor] {
        try SafetensorsFile(Path.join(directory, "expected.safetensors")).tensors
    }
}

extension DerivedWeight {
    /// Rows as floats or, of another type, as their bytes.
    func bytes(_ rows: Range<Int>, columns: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0xA5, count: rows.count * columns * type.width)
        let result = bytes.withUnsafeMutableBytes { buffer in
            Result { () throws(Failure) in try readRows(rows, into: buffer) }
        }
        try result.get()
        return bytes
    }
}

@Suite struct QuantizedFormatTests {
    /// Every weight is what the tool's own code dequantizes, exactly, whichever rows are asked for. (Of zeros the sign is
    /// not compared: bitsandbytes makes negative ones of fp4 codes.)
    @Test(arguments: QuantizedFixture.all)
    func readsWhatTheToolDequantizes(fixture: QuantizedFixture) throws {
        let stored = try fixture.weights()
        #expect(stored.quantization == fixture.title)
        for expected in try fixture.expected() {
            let weight = try #require(stored.weights.first { $0.name == expected.name }, "\(expected.name)")
            #expect(weight.shape == expected.shape && weight.type == expected.type)
            guard case .derived(let derived) = weight.form else {
                Issue.record("\(expected.name) is plain")
                continue
            }
            let rows = expected.shape.extents[0]
            let columns = expected.shape.count / rows
            let all = numbers(Array(expected.data.bytes), expected.type)
            for range in [0..<rows, 0..<1, rows - 1..<rows, 1..<min(18, rows), rows / 2..<rows] {
                let part = all[range.lowerBound * columns..<range.upperBound * columns]
                let read = numbers(try derived.bytes(range, columns: columns), derived.type)
                #expect(read.elementsEqual(part), "rows \(range)")
            }
        }
    }

    private func numbers(_ bytes: [UInt8], _ type: ElementType) -> [Float] {
        bytes.withUnsafeBytes { bytes in
            (0..<bytes.count / type.width).map { index in
                type == .float32
                    ? bytes.loadUnaligned(fromByteOffset: 4 * index, as: Float.self)
                    : Float(
                        bitPattern: UInt32(bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self))
                            << 16)
            }
        }
    }

    /// What a bundle holds each fixture's codes as, exactly, or why it cannot.
    private static let forms = [
        "mlx-affine2": "int4-g64-f16b", "mlx-affine3": "int4-g32-f16b", "mlx-affine4": "int4-g64-f16b",
        "mlx-affine5": "int5-g64-f16b", "mlx-affine8": "int8-g32-f16b", "mlx-own": "int6-g64-f16b",
        "mlx-mxfp4": "mxfp4", "mlx-nvfp4": "nvfp4", "mxfp4": "mxfp4", "nvfp4": "nvfp4",
        "modelopt-nvfp4": "nvfp4", "packed-int2": "int4-g32-f16", "packed-int3": "int4-g32-f16",
        "packed-int3-padded": "int4-g32-f16", "packed-int5": "int5-g32-f16", "packed-int6": "int6-g32-f16",
        "packed-int7": "int8-g32-f16", "gptq-int2": "int4-g64-f16", "gptq-int3": "int4-g64-f16",
        "gptq-dynamic": "int8-g32-f16", "gptq-planes3": "int4-g64-f16", "gptq-planes5": "int5-g64-f16",
        "gptq-planes6": "int6-g64-f16", "gptq-planes7": "int8-g64-f16", "auto-round-asym": "int4-g32-f16",
        "auto-round-sym": "int4-g32-f16", "auto-round-mixed": "int4-g32-f16",
        "mlx-affine6": "float16 does not hold their scales", "mlx-mxfp8": "they are 8-bit floats",
        "mxfp8": "they are 8-bit floats", "fp8-exponents": "they are 8-bit floats",
        "modelopt-fp8": "they are 8-bit floats", "torchao-float8": "they are 8-bit floats",
        "modelopt-awq": "their scales are products, which tiles would round",
        "torchao-int8": "float16 does not hold their scales",
        "bnb-int8": "their scales are products, which tiles would round",
        "bnb-nf4": "their blocks run over the ends of rows",
        "bnb-nf4-double": "their blocks run over the ends of rows",
        "bnb-fp4": "their blocks run over the ends of rows",
    ]

    /// The tiles of any rows read as the rows do, where a bundle can hold the codes.
    @Test(arguments: QuantizedFixture.all)
    func tilesReadAsWhatTheCodesStandFor(fixture: QuantizedFixture) throws {
        for weight in try fixture.weights().weights where weight.shape.rank == 2 {
            guard case .derived(let derived) = weight.form, let published = derived.published else {
                continue
            }
            guard case .exact(let encoding) = published.form else {
                #expect(published.form == .floats(because: Self.forms[fixture.name] ?? ""))
                continue
            }
            #expect("\(encoding)" == Self.forms[fixture.name])
            let (rows, columns) = (weight.shape.extents[0], weight.shape.extents[1])
            for range in [0..<rows, 3..<5, 1..<min(18, rows), rows - 1..<rows] {
                let shape = try #require(Shape.matrix(range.count, columns))
                let geometry = try #require(PublishedGeometry(encoding, shape))
                var tiles = [UInt8](repeating: 0xAA, count: geometry.byteCount)
                let written = tiles.withUnsafeMutableBytes { buffer in
                    Result { () throws(Failure) in try derived.writeTiles(range, into: buffer) }
                }
                try written.get()
                let expected = numbers(try derived.bytes(range, columns: columns), .float32)
                for row in 0..<range.count {
                    var floats = [Float](repeating: .nan, count: columns)
                    tiles.withUnsafeBytes { tiles in
                        floats.withUnsafeMutableBufferPointer { geometry.read(row: row, of: tiles, into: $0) }
                    }
                    #expect(
                        floats.elementsEqual(expected[row * columns..<(row + 1) * columns]),
                        "row \(row) of \(range)")
                }
            }
        }
    }

    /// Each tensor is of one weight, or left out with a reason.
    @Test(arguments: QuantizedFixture.all)
    func everyTensorHasItsPlace(fixture: QuantizedFixture) throws {
        let stored = try fixture.weights()
        let used = stored.weights.flatMap(\.sources) + stored.unneeded.map(\.name)
        #expect(used.sorted() == (try Checkpoint(fixture.directory).names.sorted()))
    }

    /// Without a tensor that belongs to a packed weight the checkpoint is refused, not read otherwise.
    @Test(arguments: QuantizedFixture.all)
    func eachTensorIsNeeded(fixture: QuantizedFixture) throws {
        let directory = try TemporaryDirectory()
        let config = try JSON(file: Path.join(fixture.directory, "config.json"))
        let tensors = try Checkpoint(fixture.directory).tensors.map {
            TestTensor($0.name, $0.type.rawValue, $0.shape.extents, Array($0.data.bytes))
        }
        // Those that have a default, or that nothing needs.
        let optional = [".weight_format", "_weight_zero_point", ".input_scale", ".pre_quant_scale"]
        for absent in tensors where !optional.contains(where: absent.name.hasSuffix) {
            let rest = tensors.filter { $0.name != absent.name }
            guard rest.contains(where: { $0.name.contains("up_proj") }), absent.name.contains("up_proj")
            else { continue }
            try writeSafetensors(rest, to: directory.file("model.safetensors"))
            let failure = #expect(throws: Failure.self, "without \(absent.name)") {
                try StoredWeights(Checkpoint(directory.path), config: config)
            }
            #expect(failure?.kind == .badInput)
        }
    }
}

extension UInt32 {
    fileprivate var littleEndianBytes: [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: self >> (8 * $0)) } }
}

/// Codes in the orders that words hold them in, against codes packed bit by bit.
@Suite struct CodeOrderTests {
    private static let bits = Array(2...8)

    /// The words of `codes` [lines][count], each line packed by itself.
    private func words(_ codes: [[UInt8]], _ place: (_ index: Int, _ bit: Int) -> Int, count: Int)
        -> [[UInt32]]
    {
        codes.map { line in
            var words = [UInt32](repeating: 0, count: count)
            for (index, code) in line.enumerated() {
                for bit in 0..<8 where code >> bit & 1 == 1 {
                    let place = place(index, bit)
                    words[place / 32] |= 1 << UInt32(place % 32)
                }
            }
            return words
        }
    }

    private func tensor(_ lines: [[UInt32]], along columns: Bool) throws -> SourceTensor {
        let (count, width) = (lines.count, lines[0].count)
        let values =
            columns ? lines.flatMap { $0 } : (0..<width).flatMap { word in lines.map { $0[word] } }
        let directory = try TemporaryDirectory()
        let shape = columns ? [count, width] : [width, count]
        try writeSafetensors(
            [TestTensor("c", "I32", shape, values.flatMap(\.littleEndianBytes))],
            to: directory.file("t.safetensors"))
        return try #require(SafetensorsFile(directory.file("t.safetensors")).tensors.first)
    }

    private func expect(
        _ axis: (Int, Int) -> CodeAxis, bits: Int, count: Int, width: Int,
        _ place: @escaping (_ index: Int, _ bit: Int) -> Int
    ) throws {
        let rows = 19
        let codes = (0..<rows).map { row in
            (0..<count).map { UInt8(truncatingIfNeeded: ($0 * 37 + row * 11) ^ row) & UInt8(1 << bits - 1) }
        }
        let lines = words(codes, place, count: width)
        for alongColumns in [true, false] {
            let tensor = try tensor(lines, along: alongColumns)
            // Lines are rows either way; their words follow each other, or lie below each other.
            let matrix = CodeMatrix(
                tensor: tensor, bits: bits, rows: .separate(alongColumns ? 4 * width : 4),
                columns: axis(bits, alongColumns ? 4 : 4 * rows))
            let turned = CodeMatrix(tensor: tensor, bits: bits, rows: matrix.columns, columns: matrix.rows)
            for first in [0, 3, 16] {
                let range = first..<min(first + 16, rows)
                #expect(unpacked(matrix, range, count) == range.map { codes[$0] })
                let other = first..<min(first + 16, count)
                #expect(unpacked(turned, other, rows) == other.map { index in codes.map { $0[index] } })
            }
        }
    }

    /// By row.
    private func unpacked(_ matrix: CodeMatrix, _ rows: Range<Int>, _ columns: Int) -> [[UInt8]] {
        var codes = [UInt8](repeating: 0, count: columns * CodeMatrix.panelRows)
        codes.withUnsafeMutableBufferPointer { buffer in
            if let start = buffer.baseAddress { matrix.unpack(rows, columns: columns, into: start) }
        }
        return (0..<rows.count).map { row in
            (0..<columns).map { codes[$0 * CodeMatrix.panelRows + row] }
        }
    }

    @Test(arguments: bits)
    func streams(bits: Int) throws {
        for count in [32, 64, 70] {
            try expect(CodeAxis.stream, bits: bits, count: count, width: groupCount(count * bits, 32)) {
                $0 * bits + $1
            }
        }
    }

    @Test(arguments: bits)
    func wholeCodes(bits: Int) throws {
        let each = 32 / bits
        for count in [32, 45] {
            try expect(CodeAxis.words, bits: bits, count: count, width: groupCount(count, each)) {
                $0 / each * 32 + $0 % each * bits + $1
            }
        }
    }

    @Test(arguments: bits)
    func planes(bits: Int) throws {
        // Widths of planes, lowest bits first.
        let widths = [2: [2], 3: [2, 1], 4: [4], 5: [4, 1], 6: [4, 2], 7: [4, 2, 1], 8: [8]][bits] ?? []
        try expect(CodeAxis.planes, bits: bits, count: 64, width: 2 * bits) { index, bit in
            var (first, low) = (0, 0)
            for width in widths {
                if bit < low + width {
                    return (index / 32 * bits + first) * 32 + index % 32 * width + bit - low
                }
                (first, low) = (first + width, low + width)
            }
            return 0
        }
    }
}
