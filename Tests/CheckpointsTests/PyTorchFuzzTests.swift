import Storage
import TestSupport
import Testing

@testable import Checkpoints

/// Whatever happens to a file, it is read or refused as bad input: never a trap, a hang or another error.
@Suite struct PyTorchFuzzTests {
    let folder: TorchFolder

    init() throws { folder = try TorchFolder() }

    private func survives(_ bytes: [UInt8]) throws {
        do {
            for tensor in try folder.open(bytes).tensors {
                #expect(tensor.shape.byteCount(tensor.type) == tensor.data.count)
            }
        } catch {
            #expect(error.kind == .badInput, "\(error)")
        }
    }

    @Test(arguments: ["tensors", "module", "protocol5", "training", "newer"])
    func damagedFiles(name: String) throws {
        var random = Xorshift()
        let whole = try readFile(Fixtures.path("pickle/\(name).bin"))
        for _ in 0..<2000 {
            var bytes = whole
            for _ in 0...random.below(3) { bytes[random.below(bytes.count)] ^= 1 << UInt8(random.below(8)) }
            try survives(bytes)
        }
        for length in stride(from: 0, to: whole.count, by: 7) { try survives(Array(whole.prefix(length))) }
    }

    /// The zip file around it is sound: what is damaged is the pickle, by bytes that are instructions more often than not.
    @Test(arguments: ["tensors", "module", "protocol5", "training", "newer"])
    func damagedPickles(name: String) throws {
        var random = Xorshift()
        let archive = try ZipArchive(MappedFile(Fixtures.path("pickle/\(name).bin")))
        let pickle = try #require(archive.entries["\(name)/data.pkl"].map { Array($0.data.bytes) })
        let instructions =
            Array("(t)RQsubqhX}]aecJKMNr.j".utf8) + [
                0x85, 0x86, 0x87, 0x88, 0x8A, 0xFF, 0x00, 0x42, 0x43, 0x47, 0x8C, 0x8D, 0x93, 0x94, 0x95,
            ]
        for _ in 0..<3000 {
            var bytes = pickle
            for _ in 0...random.below(4) {
                let place = random.below(bytes.count)
                let byte = instructions[random.below(instructions.count)]
                switch random.below(3) {
                case 0: bytes[place] = byte
                case 1: bytes.insert(byte, at: place)
                default: bytes.remove(at: place)
                }
            }
            var zip = ZipBytes(pickle: bytes)
            zip.entries[1].data = [UInt8](repeating: 1, count: 100)
            try survives(zip.bytes)
        }
    }
}

/// The same numbers in every run.
private struct Xorshift {
    private var state: UInt64 = 0x9E37_79B9_7F4A_7C15

    mutating func below(_ bound: Int) -> Int {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Int(state >> 33) % bound
    }
}
