import Glibc
import GroupFormats
import Storage
import TestSupport
import Testing

@testable import Bundles

/// The reader in Python, written from the specification alone, must see what Swift wrote.
@Suite struct ReferenceReaderTests {
    let directory: TemporaryDirectory
    let sample: SampleBundle
    var path: String { directory.file("a.tessera") }

    init() throws {
        directory = try TemporaryDirectory()
        sample = try SampleBundle()
        try sample.write(to: path)
    }

    /// What the reader prints, errors included, and its exit status.
    private func read(_ path: String) throws -> (output: String, status: Int32) {
        let script = Path.join(Path.directory(Path.directory(#filePath)), "Reference/read_bundle.py")
        let pipe = try #require(popen("python3 '\(script)' '\(path)' 2>&1", "r"))
        var output: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while case let count = fread(&buffer, 1, buffer.count, pipe), count > 0 { output += buffer[..<count] }
        let status = pclose(pipe)
        return (String(decoding: output, as: UTF8.self), (status >> 8) & 0xFF)
    }

    @Test func agreesOnEveryTensor() throws {
        let (output, status) = try read(path)
        try #require(status == 0, "\(output)")
        let report = try JSON(parsing: Array(output.utf8))
        let bundle = try Bundle(path)
        #expect(report["root"]?.string == bundle.digest.description)
        let tensors = try #require(report["tensors"]?.array)
        try #require(tensors.count == bundle.tensors.count)
        for (index, (tensor, seen)) in zip(bundle.tensors, tensors).enumerated() {
            #expect(seen["name"]?.string == tensor.name)
            #expect(seen["shape"]?.ints == tensor.shape.extents)
            #expect(seen["encoding"]?.string == tensor.encoding.description)
            #expect(seen["sha256"]?.string == tensor.digest.description)
            let values = try Self.values(of: tensor.description, sample.data[index])
            let mean = values.reduce(0) { $0 + Double($1) } / Double(values.count)
            let variance =
                values.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(values.count)
            #expect(abs((seen["mean"]?.double ?? .nan) - mean) <= 1e-9 * (1 + abs(mean)))
            #expect(
                abs((seen["std"]?.double ?? .nan) - variance.squareRoot()) <= 1e-9
                    * (1 + variance.squareRoot()))
            let first = try #require(seen["first"]?.array).compactMap(\.double)
            #expect(first == values.prefix(min(4, tensor.shape.extents.last ?? 0)).map(Double.init))
        }
    }

    @Test func refusesWhatSwiftRefuses() throws {
        let intact = try readFile(path)
        for (offset, expected) in [
            (0, 3), (8, 3), (16, 3), (130, 3), (4096, 1), (4096 + 31, 1), (intact.count - 1, 1),
        ] {
            var bytes = intact
            bytes[offset] ^= 0x10
            try putFile(directory.file("b.tessera"), bytes)
            let (output, status) = try read(directory.file("b.tessera"))
            #expect(status == expected, "byte \(offset): \(output)")
        }
        try putFile(directory.file("b.tessera"), Array(intact.dropLast()))
        #expect(try read(directory.file("b.tessera")).status == 3)
    }

    /// The example in `formats/bundle.md` is a bundle, and says what the text says.
    @Test func theWorkedExampleHolds() throws {
        let tests = Path.directory(Path.directory(#filePath))
        let text = String(decoding: try readFile(Path.join(tests, "../formats/bundle.md")), as: UTF8.self)
        var example: [UInt8] = []
        for line in text.split(separator: "\n") where line.hasPrefix("    0000") {
            let fields = line.split(separator: " ")
            let offset = try #require(fields.first.flatMap { Int($0, radix: 16) })
            example += [UInt8](repeating: 0, count: offset - example.count)
            example += fields.dropFirst().compactMap { UInt8($0, radix: 16) }
        }
        let file = directory.file("example.tessera")
        try putFile(file, example)
        try readEverything(file)
        let bundle = try Bundle(file)
        let tensor = try #require(bundle["w"])
        #expect(tensor.shape.extents == [1, 2])
        #expect(try Self.values(of: tensor.description, Array(bundle.bytes(of: tensor).bytes)) == [1, -2])
        #expect(try read(file).status == 0)
    }

    /// All values in order, by the formula of the specification, one at a time.
    private static func values(of tensor: TensorDescription, _ data: [UInt8]) throws -> [Float] {
        switch tensor.encoding {
        case .float(.float32):
            return (0..<tensor.shape.count).map { Float(bitPattern: UInt32(data, at: 4 * $0)) }
        case .float(.float16):
            return (0..<tensor.shape.count).map { Float(Float16(bitPattern: UInt16(data, at: 2 * $0))) }
        case .float:
            return (0..<tensor.shape.count).map { Float(bitPattern: UInt32(UInt16(data, at: 2 * $0)) << 16) }
        case .groups, .bands:
            let columns = tensor.shape.extents[1]
            return tensor.encoding.codedRows(tensor.shape).flatMap { run in
                let (format, data) = (run.geometry.format, Array(data[run.bytes]))
                return run.rows.indices.flatMap { n in
                    (0..<columns).map { k in weight(n - run.rows.lowerBound, k, columns, format, data) }
                }
            }
        case .zeroPoints(let format): return values(tensor) { zeroPointWeight($0, $1, $2, format, data) }
        case .affine(let format): return values(tensor) { affineWeight($0, $1, $2, format, data) }
        case .float4(let format): return try values(tensor) { try float4Weight($0, $1, $2, format, data) }
        }
    }

    /// All values in order, from row, column and the number of columns.
    private static func values(
        _ tensor: TensorDescription, _ value: (Int, Int, Int) throws -> Float
    ) rethrows -> [Float] {
        let (rows, columns) = (tensor.shape.extents[0], tensor.shape.extents[1])
        return try (0..<rows).flatMap { n in try (0..<columns).map { k in try value(n, k, columns) } }
    }

    private static func weight(_ n: Int, _ k: Int, _ columns: Int, _ format: GroupFormat, _ data: [UInt8])
        -> Float
    {
        let groups = (columns + format.groupSize - 1) / format.groupSize
        let table = (32 * groups + 63) / 64 * 64
        let tile = n / 16 * (128 + table + groups * groupBytes(format))
        let (row, group) = (n % 16, k / format.groupSize)
        let d = Float(bitPattern: UInt32(data, at: tile + 4 * row))
        let dm = Float(bitPattern: UInt32(data, at: tile + 64 + 4 * row))
        let scale = Float(data[tile + 128 + 32 * group + row])
        let minimum = Float(data[tile + 128 + 32 * group + 16 + row])
        let code = code(
            k % format.groupSize, row, format, data, tile + 128 + table + group * groupBytes(format))
        return d * scale * Float(code) - dm * minimum
    }

    private static func zeroPointWeight(
        _ n: Int, _ k: Int, _ columns: Int, _ format: GroupFormat, _ data: [UInt8]
    ) -> Float {
        let groups = (columns + format.groupSize - 1) / format.groupSize
        let table = (48 * groups + 63) / 64 * 64
        let tile = n / 16 * (table + groups * groupBytes(format))
        let (row, group) = (n % 16, k / format.groupSize)
        let scale = Float16(bitPattern: UInt16(data, at: tile + 48 * group + 2 * row))
        let zero = data[tile + 48 * group + 32 + row]
        let code = code(k % format.groupSize, row, format, data, tile + table + group * groupBytes(format))
        return Float(scale) * Float(Int(code) - Int(zero))
    }

    private static func affineWeight(
        _ n: Int, _ k: Int, _ columns: Int, _ format: GroupFormat, _ data: [UInt8]
    ) -> Float {
        let groups = (columns + format.groupSize - 1) / format.groupSize
        let tile = n / 16 * groups * (64 + groupBytes(format))
        let (row, group) = (n % 16, k / format.groupSize)
        let scale = Float16(bitPattern: UInt16(data, at: tile + 64 * group + 2 * row))
        let bias = Float16(bitPattern: UInt16(data, at: tile + 64 * group + 32 + 2 * row))
        let codes = tile + 64 * groups + group * groupBytes(format)
        return Float(scale) * Float(code(k % format.groupSize, row, format, data, codes)) + Float(bias)
    }

    private static func float4Weight(
        _ n: Int, _ k: Int, _ columns: Int, _ kind: Float4Format, _ data: [UInt8]
    ) throws -> Float {
        let size = kind == .mxfp4 ? 32 : 16
        let format = try #require(GroupFormat(.four, groupSize: size))
        let groups = (columns + size - 1) / size
        let table = 128 + (16 * groups + 63) / 64 * 64
        let tile = n / 16 * (table + groups * 8 * size)
        let (row, group) = (n % 16, k / size)
        let d = Float(bitPattern: UInt32(data, at: tile + 4 * row))
        let v = Float(bitPattern: UInt32(data, at: tile + 64 + 4 * row))
        let byte = data[tile + 128 + 16 * group + row]
        let (exponent, fraction) = (Int(byte >> 3 & 15), Float(byte & 7) / 8)
        var scale = Float(sign: .plus, exponent: Int(byte) - 127, significand: 1)
        if kind == .nvfp4 {
            scale = exponent == 0 ? fraction : 1 + fraction
            scale *= Float(sign: byte > 127 ? .minus : .plus, exponent: max(exponent, 1) - 7, significand: 1)
        }
        let code = code(k % size, row, format, data, tile + table + group * 8 * size)
        let magnitudes: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
        let product = scale * d
        scale = product / v
        return (code < 8 ? 1 : -1) * magnitudes[Int(code & 7)] * scale
    }

    private static func groupBytes(_ format: GroupFormat) -> Int {
        16 * format.groupSize * format.bits.rawValue / 8
    }

    /// The code of column `within` of a group whose codes begin at `codes`.
    private static func code(
        _ within: Int, _ row: Int, _ format: GroupFormat, _ data: [UInt8], _ codes: Int
    ) -> UInt8 {
        switch format.bits {
        case .eight: return data[codes + within / 4 * 64 + 4 * row + within % 4]
        case .four, .five, .six:
            let (size, upper) = (format.groupSize, format.bits.rawValue - 4)
            let (place, isHigh) = (within % (size / 2), within / (size / 2))
            let (step, byte) = (place / 4, 4 * row + place % 4)
            let nibble = data[codes + step * 64 + byte] >> (4 * isHigh) & 15
            guard upper > 0 else { return nibble }
            let above = data[codes + (size / 8 + step * upper / 4) * 64 + byte]
            let shift = upper * (step % (4 / upper) * 2 + isHigh)
            return nibble | (above >> shift & (1 << upper - 1)) << 4
        }
    }
}
