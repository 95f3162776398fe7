import Storage
import TestSupport

@testable import Calibration
@testable import Checkpoints

extension FuzzTarget {
    /// The header of a safetensors file.
    static let safetensors = FuzzTarget(
        name: "safetensors", maximumLength: 4096,
        words: [
            "dtype", "shape", "data_offsets", "__metadata__", "BF16", "F32", "F8_E4M3", "I64", "\"a\":{",
            "[0,4]",
        ],
        seeds: {
            [
                try readFile(Fixtures.path("pickle/module.safetensors")),
                try readFile(Fixtures.path("pickle/tensors.safetensors")),
                [2, 0, 0, 0, 0, 0, 0, 0, 0x7B, 0x7D],
            ]
        },
        read: { bytes in
            let file = try SafetensorsFile(MemoryFile.shared.holding(bytes))
            check(file.tensors, of: bytes)
        })

    /// The index of a sharded checkpoint.
    static let shardIndex = FuzzTarget(
        name: "shard-index", maximumLength: 4096,
        words: ["weight_map", "metadata", "total_size", "..", ".safetensors"],
        seeds: {
            [
                Array(
                    #"{"metadata":{"total_size":8},"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}"#
                        .utf8),
                Array(#"{"weight_map":{"a":"x.bin"}}"#.utf8),
            ]
        },
        read: { bytes in
            let index = try ShardIndex(MemoryFile.shared.holding(bytes))
            require(Set(index.files) == Set(index.shards.values), "the index lost a file")
            require(index.files.allSatisfy { !$0.contains("/") }, "a shard lies elsewhere")
            require(!index.differences(from: [:]).isEmpty, "an index without shards agrees")
            require(index.differences(from: index.shards).isEmpty, "an index differs from itself")
        })

    /// A zip file of `torch.save`.
    static let torch = FuzzTarget(
        name: "torch", maximumLength: 6144,
        words: [
            "PK\u{1}\u{2}", "PK\u{3}\u{4}", "PK\u{5}\u{6}", "PK\u{6}\u{6}", "PK\u{6}\u{7}", "/data.pkl",
            "/data/0",
        ]
            + pickleWords,
        seeds: {
            try ["module", "tensors", "protocol4", "newer", "legacy"].map {
                withoutCheckSums(try readFile(Fixtures.path("pickle/\($0).bin")))
            }
        },
        read: { bytes in
            check(try PyTorchFile(MemoryFile.shared.holding(bytes)).tensors, of: bytes)
        })

    /// The same zip file as `torch.save` writes it when told not to compute check sums: a changed byte is not refused for that.
    private static func withoutCheckSums(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for (signature, place) in [([0x50, 0x4B, 3, 4] as [UInt8], 14), ([0x50, 0x4B, 1, 2], 16)] {
            for start in bytes.indices.dropLast(place + 4)
            where bytes[start..<start + 4].elementsEqual(signature) {
                bytes.replaceSubrange(start + place..<start + place + 4, with: [0, 0, 0, 0])
            }
        }
        return bytes
    }

    /// The pickle by itself.
    static let pickle = FuzzTarget(
        name: "pickle", maximumLength: 4096, words: pickleWords,
        seeds: {
            try ["module", "tensors", "protocol5", "training", "newer"].map { name in
                let archive = try ZipArchive(MappedFile(Fixtures.path("pickle/\(name).bin")))
                return archive.entries["\(name)/data.pkl"].map { Array($0.data.bytes) } ?? []
            }
        },
        read: { bytes in
            let file = try MappedFile(MemoryFile.shared.holding(bytes))
            guard let whole = MappedBytes(file, 0..<bytes.count) else { return }
            _ = try Unpickler.contents(of: whole)
        })

    private static let pickleWords = [
        "torch._utils\n_rebuild_tensor_v2\n", "ctorch\nFloatStorage\n", "ctorch\nBFloat16Storage\n",
        "ccollections\nOrderedDict\n", "ctorch.storage\nUntypedStorage\n",
        "torch._utils\n_rebuild_tensor_v3\n", "ctorch\nfloat8_e4m3fn\n", "model", "storage", "cpu",
        "\u{8A}\u{8}", "tQ", ")R", "(t", "q\u{1}", "h\u{1}",
        "u.",
    ]

    /// An imatrix of llama.cpp's.
    static let gguf = FuzzTarget(
        name: "gguf", maximumLength: 2048,
        words: [
            "GGUF", "general.type", "imatrix", "imatrix.datasets", "imatrix.chunk_count",
            "imatrix.chunk_size",
            ".in_sum2", ".counts", "general.alignment", "blk.0.attn_q.weight",
        ],
        seeds: {
            [
                GGUFBytes(imatrix: [("a", [1, 2, 3, 4], [2])]).bytes,
                GGUFBytes(imatrix: [("blk.0.ffn_up_exps", [1, 2, 3, 4, 5, 6], [2, 0, 1]), ("b", [0], [0])])
                    .bytes,
            ]
        },
        read: { bytes in
            let matrix = try ImportanceMatrix(MemoryFile.shared.holding(bytes))
            for name in matrix.names {
                guard let entry = matrix[name] else { fatalError("'\(name)' is named and not there") }
                _ = try entry.meanSquares()
            }
        })

    /// A part of a model in GGUF, whose blocks are unpacked.
    static let blocks = FuzzTarget(
        name: "gguf-blocks", maximumLength: 4096,
        words: ["GGUF", "general.type", "general.alignment", "general.architecture", "list", "split.count"],
        seeds: {
            [
                blocks(of: [
                    (2, 32, 18), (3, 32, 20), (6, 32, 22), (7, 32, 24), (8, 32, 34), (20, 32, 18),
                    (39, 32, 17),
                ]),
                blocks(of: [(10, 256, 84), (11, 256, 110), (12, 256, 144)]),
                blocks(of: [(13, 256, 176), (14, 256, 210), (23, 256, 136)]),
            ]
        },
        read: { bytes in try readTensors(GGUFFile(MemoryFile.shared.holding(bytes))) })

    /// A file with a tensor of two rows of a block each, by type, elements and bytes.
    private static func blocks(of types: [(number: UInt32, elements: Int, bytes: Int)]) -> [UInt8] {
        GGUFBytes(
            [.init("general.architecture", "qwen2vl"), .init("list", [1, 2, 3] as [Int32])],
            types.map { type in
                GGUFBytes.Tensor(
                    "t\(type.number)", [UInt64(type.elements), 2], type: type.number,
                    (0..<2 * type.bytes).map { UInt8(truncatingIfNeeded: $0 * 37) & 0x3F })
            }
        ).bytes
    }

    /// Looks at all metadata, and reads every weight, alone and joined with the next.
    private static func readTensors(_ file: GGUFFile) throws {
        _ = try? file.settings(listsUpTo: 512)
        for key in ["list", "general.architecture", "split.count"] {
            _ = try? file.integers(key)
            _ = try? file.integer(key)
            _ = try? file.program(key)
        }
        for (tensor, next) in zip(file.tensors, file.tensors.dropFirst() + file.tensors.prefix(1)) {
            require(tensor.type.isSupported, "\(tensor.name) has no reader")
            require(
                (tensor.shape.extents.last ?? 1) % tensor.type.elements == 0,
                "\(tensor.name) has parts of blocks")
            try read(StoredWeight("alone", of: [tensor]))
            for arrangement in [PartArrangement.below, .across(1)] {
                if let joined = try? StoredWeight("joined", of: [tensor, next], GGUFParts(arrangement)) {
                    try read(joined)
                }
            }
        }
    }

    /// Reads the first and the last rows of a weight.
    private static func read(_ weight: StoredWeight) throws {
        guard case .derived(let derived) = weight.form else { return }
        let columns = weight.shape.rank > 1 ? weight.shape.extents[weight.shape.rank - 1] : 1
        let rows = columns == 0 ? 0 : weight.shape.count / columns
        guard rows > 0, columns <= 1 << 16 else { return }
        let out = UnsafeMutableRawBufferPointer.allocate(
            byteCount: min(rows, 3) * columns * derived.type.width, alignment: 64)
        defer { out.deallocate() }
        for first in [0, rows - min(rows, 3)] {
            do { try derived.readRows(first..<first + min(rows, 3), into: out) } catch {
                require(error.kind == .badInput, "\(error)")
            }
        }
    }

    private static func check(_ tensors: [SourceTensor], of bytes: [UInt8]) {
        for tensor in tensors {
            require(
                tensor.shape.byteCount(tensor.type) == tensor.data.count, "\(tensor.name) has other bytes")
            require(tensor.data.range.upperBound <= bytes.count, "\(tensor.name) leaves the file")
            // Touches both ends.
            _ = tensor.data.bytes.first
            _ = tensor.data.bytes.last
        }
    }
}
