import Storage
import TestSupport
import Testing

@testable import Checkpoints

@Suite struct PyTorchFileTests {
    let folder: TorchFolder

    init() throws { folder = try TorchFolder() }

    /// What PyTorch saved is what it says it saved, as safetensors.
    @Test(arguments: ["tensors", "module", "protocol4", "protocol5", "training", "newer", "legacy"])
    func readsWhatPyTorchWrote(name: String) throws {
        let file = try PyTorchFile(Fixtures.path("pickle/\(name).bin"))
        let expected = try SafetensorsFile(Fixtures.path("pickle/\(name).safetensors"))
        #expect(file.tensors.map(\.name).sorted() == expected.tensors.map(\.name).sorted())
        for tensor in expected.tensors {
            let read = try #require(file.tensors.first { $0.name == tensor.name })
            #expect(read.type == tensor.type)
            #expect(read.shape == tensor.shape)
            #expect(read.data.bytes.elementsEqual(tensor.data.bytes), "\(tensor.name)")
        }
    }

    /// What a training loop saves around a model is named, not read.
    @Test func statesWithinOthers() throws {
        let file = try PyTorchFile(Fixtures.path("pickle/training.bin"))
        #expect(file.tensors.map(\.name).sorted() == ["a.bias", "a.weight"])
        #expect(
            file.warnings == [
                "the tensors are taken from 'model'; 4 other things that training saved are passed over"
            ])
        #expect(file.passedOver.isEmpty)
    }

    /// Types that have no reader are named, and what is no tensor at all.
    @Test func whatIsNoTensorIsNamed() throws {
        let file = try PyTorchFile(Fixtures.path("pickle/newer.bin"))
        #expect(
            file.passedOver.map { "\($0.name): \($0.kind)" }.sorted() == [
                "c64: a tensor of complex64", "e5m2: a tensor of float8_e5m2",
                "e8m0: a tensor of float8_e8m0fnu", "u16: a tensor of uint16",
            ])
        var pickle = PickleBytes()
        pickle.raw("}")
        for (name, value) in [("step", "K\u{7}"), ("none", "N"), ("list", "]")] {
            pickle.string(name)
            pickle.raw(value)
            pickle.raw("s")
        }
        pickle.string("t")
        pickle.tensor(storage: 8, offset: 0, [8], [1])
        pickle.raw("s.")
        let mixed = try folder.open(ZipBytes(pickle: pickle.bytes).bytes)
        #expect(mixed.tensors.map(\.name) == ["t"])
        #expect(mixed.passedOver.map(\.kind) == ["an integer", "None", "a list"])
    }

    @Test func tensorsThatShareAStorageShowTheSameBytes() throws {
        let file = try PyTorchFile(Fixtures.path("pickle/tensors.bin"))
        let ranges = Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.name, $0.data.range) })
        let table = try #require(ranges["table"])
        #expect(ranges["table.rows"] == table.lowerBound + 32..<table.lowerBound + 80)
        #expect(ranges["table.row"] == table.lowerBound + 80..<table.upperBound)
        #expect(
            file.tensors.map(\.data.range.lowerBound) == file.tensors.map(\.data.range.lowerBound).sorted())
    }

    @Test func theRootMayHaveAnyName() throws {
        var zip = ZipBytes(pickle: PickleBytes.one(offset: 4, [1, 4], [4, 1]))
        let names = zip.entries.map { $0.name.dropFirst("model".count) }
        for root in ["archive", "a/b", "x y", ""] {
            for index in zip.entries.indices {
                zip.entries[index].name = root + names[index]
            }
            let file = try folder.open(zip.bytes)
            #expect(file.tensors.map { Array($0.data.bytes) } == [Array(16..<32)])
        }
    }

    @Test func otherFormatsAreNamed() throws {
        let tar =
            [UInt8](repeating: 0x61, count: 257) + Array("ustar".utf8) + [UInt8](repeating: 0, count: 250)
        try folder.refuses(tar, at: nil, "before PyTorch 0.1.10")
        try folder.refuses([], at: nil, "no end record of a zip file")
        try folder.refuses(
            Array("version https://git-lfs.github.com/spec/v1\n".utf8), at: nil, "no end record")
    }

    /// The format of old, wherever it is cut or damaged.
    @Test func damagedFilesOfOld() throws {
        let whole = try readFile(Fixtures.path("pickle/legacy.bin"))
        for length in 15..<whole.count {
            #expect(throws: Failure.self) { try folder.open(Array(whole.prefix(length))) }
        }
        for place in 15..<whole.count {
            for byte in [0, 0x2E, 0x7F, 0xFF] as [UInt8] {
                var bytes = whole
                bytes[place] = byte
                do {
                    for tensor in try folder.open(bytes).tensors {
                        #expect(tensor.shape.byteCount(tensor.type) == tensor.data.count)
                    }
                } catch let failure {
                    #expect(failure.kind == .badInput)
                }
            }
        }
        let flag = try #require(whole.firstRange(of: Array("little_endian".utf8)))
        var big = whole
        let truth = try #require(big[flag.upperBound...].firstIndex(of: 0x88))
        big[truth] = 0x89
        try folder.refuses(big, at: nil, "little-endian")
    }

    @Test func filesThatAreNoCheckpoints() throws {
        var zip = ZipBytes(pickle: PickleBytes.one())
        zip.entries[0].name = "data.pkl"
        try folder.refuses(zip.bytes, at: nil, "with 0 entries named data.pkl")
        zip.entries[0].name = "model/data.pkl"
        zip.entries.append(.init("other/data.pkl", PickleBytes.one()))
        try folder.refuses(zip.bytes, at: nil, "with 2 entries named data.pkl")
        zip.entries[3] = .init("model/byteorder", Array("big".utf8))
        try folder.refuses(zip.bytes, at: "model/byteorder", "not little-endian")
        zip.entries[3] = .init("model/byteorder", Array("little".utf8))
        _ = try folder.open(zip.bytes)
    }

    private func refuses(
        _ part: String, storage count: Int = 8, key: String = "0", offset: Int = 0, _ shape: [Int],
        _ strides: [Int], sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let pickle = PickleBytes.one(storage: count, key: key, offset: offset, shape, strides)
        try folder.refuses(
            ZipBytes(pickle: pickle).bytes, at: "tensor 't'", part, sourceLocation: sourceLocation)
    }

    @Test func storagesThatCannotBe() throws {
        try refuses("storage '1', which is not in the file", key: "1", [8], [1])
        try refuses("storage '../0', which is not", key: "../0", [8], [1])
        try refuses("claims 9 elements, but has room for 8", storage: 9, [8], [1])
        try refuses("claims -1 elements", storage: -1, [8], [1])
        for count in [1 << 62, Int.max, Int.min] {
            try refuses("claims \(count) elements", storage: count, [8], [1])
        }
    }

    @Test func placesOutsideTheStorage() throws {
        try refuses("takes 9 elements", [9], [1])
        try refuses("takes 8 elements from element 1 on", offset: 1, [8], [1])
        try refuses("takes 0 elements from element 9 on", offset: 9, [0], [1])
        try refuses("takes 4 elements", storage: 2, [4], [1])
        for offset in [-1, Int.min, Int.max, 1 << 62] {
            try refuses("from element \(offset) on", offset: offset, [1], [1])
        }
        for shape in [[-1], [1 << 32, 1 << 32], [1 << 62], [Int.max], [Int.min, Int.min]] {
            try refuses("impossible shape", shape, shape)
        }
        try refuses("from element \(Int.max) on", offset: Int.max, [Int.max / 8], [1])
    }

    @Test func tensorsThatAreNotContiguous() throws {
        for strides in [[1, 2], [0, 1], [-4, 1], [4, Int.max], [Int.max, Int.min]] {
            try refuses(
                "is not contiguous: its shape is [2, 4], its strides are \(strides)", [2, 4], strides)
        }
        for (shape, strides) in [
            ([1, 8], [Int.max, 1]), ([8, 1], [1, Int.min]), ([1, 1], [0, 0]), ([0, 1 << 40], [7, 7]),
            ([], []),
        ] {
            let file = try folder.open(ZipBytes(pickle: PickleBytes.one(shape, strides)).bytes)
            #expect(file.tensors.map(\.shape.extents) == [shape])
        }
    }
}
