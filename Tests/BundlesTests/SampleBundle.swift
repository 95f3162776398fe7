import GroupFormats
import Storage
import Testing

@testable import Bundles

/// A source of repeatable bytes.
struct Noise {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }

    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }

    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next() >> 24) }
    }
}

/// A bundle of awkward shapes in every kind of encoding, small enough to damage byte by byte.
struct SampleBundle {
    static let graph: JSON = .pairs(["text": .array([.string("linear")])])
    static let metadata: JSON = .pairs(["general.name": "sample", "größe": 1.5])
    static let tokenizer: [UInt8] = Array("tokens tokens tokens".utf8)

    let plan: [TensorDescription]
    /// The bytes of each tensor of the plan.
    let data: [[UInt8]]

    init() throws {
        var plan: [TensorDescription] = []
        for (index, (extents, encoding)) in Self.kinds.enumerated() {
            let shape = try #require(Shape(checking: extents))
            plan.append(
                try TensorDescription(
                    name: "tensor.\(index)", shape: shape, encoding: try #require(TensorEncoding(encoding)),
                    sources: ["source.\(index)"], note: "copied"))
        }
        self.plan = plan
        data = plan.enumerated().map { Self.content(of: $1, seed: UInt64($0) + 1) }
    }

    private static let kinds: [([Int], String)] = [
        ([3, 5], "BF16"), ([7], "F32"), ([5, 37], "int4-g16"), ([17, 40], "int8-g32"), ([1, 1], "F16"),
        ([2, 129], "int4-g128"), ([18, 130], "int4-g128-f16"), ([3, 33], "int8-g32-f16"),
        ([19, 70], "int5-g64"), ([2, 45], "int6-g32"), ([1, 129], "int6-g128"),
        ([37, 34], "int6-g32+16:int4-g16"), ([2, 34], "int5-g32-f16"), ([1, 3], "int6-g32-f16"),
        ([19, 5], "int4-g64-f16b"), ([1, 7], "int5-g32-f16b"), ([2, 17], "int8-g16-f16b"),
        ([17, 33], "mxfp4"), ([18, 17], "nvfp4"),
    ]

    /// Bytes that decode to finite values: row factors, float16 numbers and floats are multiples of 1/8, scales of 8 bits without
    /// their highest, everything else is noise.
    private static func content(of tensor: TensorDescription, seed: UInt64) -> [UInt8] {
        var noise = Noise(seed)
        switch tensor.encoding {
        case .float(let type):
            return (0..<tensor.shape.count).flatMap { _ -> [UInt8] in
                let value = Float(noise.below(64)) / 8 - 3
                switch type {
                case .float32: return value.bitPattern.bytes
                case .float16: return Float16(value).bitPattern.bytes
                default: return UInt16(value.bitPattern >> 16).bytes
                }
            }
        case .groups, .bands:
            return tensor.encoding.codedRows(tensor.shape).map(\.geometry).flatMap { geometry in
                (0..<geometry.tileCount).flatMap { _ in
                    (0..<32).flatMap { _ in (Float(noise.below(32)) / 8).bitPattern.bytes }
                        + noise.bytes(geometry.tileBytes - GroupGeometry.factorBytes)
                }
            }
        case .zeroPoints, .affine, .float4:
            guard let geometry = PublishedGeometry(tensor.encoding, tensor.shape) else { return [] }
            return (0..<geometry.tileCount).flatMap { _ in
                let table = Self.table(geometry, &noise)
                return table + noise.bytes(geometry.tileBytes - table.count)
            }
        }
    }

    /// What comes before the codes of a tile.
    private static func table(_ geometry: PublishedGeometry, _ noise: inout Noise) -> [UInt8] {
        func halves() -> [UInt8] {
            (0..<16).flatMap { _ in Float16(Float(noise.below(64)) / 8 - 3).bitPattern.bytes }
        }
        switch geometry.encoding {
        case .affine: return (0..<geometry.groupCount).flatMap { _ in halves() + halves() }
        case .float4:
            // Factors, and divisors that are not zero.
            let rows = (0..<32).flatMap {
                ((Float(noise.below(32)) + ($0 < 16 ? 0 : 1)) / 8).bitPattern.bytes
            }
            return rows + noise.bytes(16 * geometry.groupCount).map { $0 & 0xBE }
        default: return (0..<geometry.groupCount).flatMap { _ in halves() + noise.bytes(16) }
        }
    }

    /// Writes the bundle, each tensor in pieces of `piece` bytes.
    @discardableResult
    func write(to path: String, piece: Int = 100, overwrite: Bool = false) throws -> Digest {
        let writer = try BundleWriter(
            OutputPath(path, replacing: overwrite, inputs: []), fingerprint: "sample", plan: plan)
        try append(to: writer, until: plan.count, piece: piece)
        return try writer.finish(graph: Self.graph, metadata: Self.metadata, tokenizer: Self.tokenizer)
    }

    /// Goes on with a writer until `count` tensors are done.
    func append(to writer: BundleWriter, until count: Int, piece: Int = 100) throws {
        for index in writer.completed..<count {
            for start in stride(from: 0, to: data[index].count, by: piece) {
                try writer.append(
                    Array(data[index][start..<min(start + piece, data[index].count)]), to: index)
            }
        }
    }
}

/// Runs `body` and returns what it throws, or nil.
func failure(_ body: () throws -> Void) throws -> Failure? {
    do {
        try body()
        return nil
    } catch let failure as Failure {
        return failure
    }
}

/// Opens a bundle and reads all of it.
func readEverything(_ path: String) throws {
    let bundle = try Bundle(path)
    _ = try (bundle.graphJSON, bundle.metadata, bundle.tokenizer)
    try bundle.verify(threads: 2)
}
