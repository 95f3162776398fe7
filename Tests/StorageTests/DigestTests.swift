import Storage
import TestSupport
import Testing

@Suite struct DigestTests {
    @Test func knownDigests() throws {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        #expect(try SHA256.digest(Array("abc".utf8)).description == abc)
        let digest = try #require(Digest(hexadecimal: abc))
        #expect(Digest(raw: digest.bytes) == digest)
        #expect(Digest(raw: digest.bytes.dropLast()) == nil)
        #expect(Digest(hexadecimal: "abc") == nil)
    }

    @Test func rangesOfAFile() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("bytes")
        let bytes = (0..<9_000_001).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        try putFile(path, bytes)
        let file = try MappedFile(path)
        for range in [0..<bytes.count, 0..<0, 1..<2, 4095..<8_400_000, 5_000_000..<9_000_001] {
            #expect(try file.digest(of: range) == SHA256.digest(Array(bytes[range])))
        }
        #expect(throws: Failure.self) { try file.digest(of: 0..<bytes.count + 1) }
    }
}
