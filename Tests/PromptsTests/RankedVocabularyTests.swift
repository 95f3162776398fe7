import Storage
import TestSupport
import Testing

@testable import Prompts

@Suite struct RankedVocabularyTests {
    private static func line(_ bytes: [UInt8], _ rank: Int) -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let value = (0..<3).reduce(0) {
                $0 << 8 | (start + $1 < bytes.count ? Int(bytes[start + $1]) : 0)
            }
            for digit in 0..<4 {
                text.append(digit <= group.count ? digits[value >> (18 - 6 * digit) & 63] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self) + " \(rank)"
    }

    /// All bytes, backwards, then these tokens.
    private static func lines(_ tokens: [String]) -> [String] {
        let bytes = (0..<256).map { line([UInt8(255 - $0)], $0) }
        return bytes + tokens.enumerated().map { line(Array($1.utf8), 256 + $0) }
    }

    private func tokenizer(_ lines: [String], ending: String = "\n") throws -> Tokenizer {
        let folder = try TemporaryDirectory()
        try folder.write("qwen.tiktoken", lines.joined(separator: ending) + ending)
        return try Tokenizer(checkpoint: folder.path)
    }

    /// Merging by any two parts that make a token, the lowest rank first, as tiktoken does it.
    private func merged(_ word: [UInt8], _ ranks: [[UInt8]: Int]) -> [Int32] {
        var parts = word.map { [$0] }
        while true {
            let pairs = zip(parts, parts.dropFirst()).enumerated()
            let found = pairs.compactMap { index, pair in ranks[pair.0 + pair.1].map { ($0, index) } }
            guard let (_, index) = found.min(by: { $0 < $1 }) else { break }
            parts[index] += parts.remove(at: index + 1)
        }
        return parts.map { Int32(ranks[$0] ?? -1) }
    }

    @Test func lineEndsMakeNoDifference() throws {
        let lines = Self.lines(["ab", "abab"])
        let bytes = try tokenizer(lines).serialized()
        #expect(try tokenizer(lines, ending: "\r\n").serialized() == bytes)
        #expect(try tokenizer(lines, ending: "\n\n").serialized() == bytes)
    }

    /// Vocabularies at random, in the order of their making or in any, give what merging by ranks gives.
    @Test func mergesEqualMergingByRanks() throws {
        var (accepted, refused) = (0, 0)
        for seed in 0..<60 {
            var random = Random(seed: UInt64(seed))
            var tokens: [String] = []
            while tokens.count < 8 {
                let parts = (0..<2).map { _ in (tokens + ["a", "b", "c"]).randomElement(using: &random) ?? ""
                }
                let token = parts.joined()
                if !tokens.contains(token) { tokens.append(token) }
            }
            if seed % 2 == 0 { tokens.shuffle(using: &random) }
            var ranks: [[UInt8]: Int] = [:]
            for byte in 0..<256 { ranks[[UInt8(255 - byte)]] = byte }
            for (index, token) in tokens.enumerated() { ranks[Array(token.utf8)] = 256 + index }
            guard let tokenizer = try? tokenizer(Self.lines(tokens)) else {
                // Refused where merging its bytes does not give some token.
                #expect(tokens.contains { merged(Array($0.utf8), ranks).count > 1 })
                refused += 1
                continue
            }
            accepted += 1
            for _ in 0..<200 {
                let word = String((0..<Int.random(in: 1...12, using: &random)).map { _ in random.letter() })
                #expect(tokenizer.encode(word, specials: .asText) == merged(Array(word.utf8), ranks))
            }
        }
        #expect(accepted > 0 && refused > 0)
    }

    @Test(arguments: [
        (3, "IQ==", "line 4"), (3, "IQ== x", "line 4"), (3, "IQ== 3 3", "line 4"), (3, "I@== 3", "line 4"),
        (3, "IQ= 3", "line 4"), (3, "=QI= 3", "line 4"), (3, "IQ==IQ== 3", "line 4"), (3, "IQ== 4", "line 4"),
        (3, "IQ== -3", "line 4"), (3, "IQ== 99999999999999999999", "line 4"), (3, "/w== 3", "line 4"),
        (3, "= 3", "line 4"), (3, "AAAA 3", "lacks"),
        (256, "YWFh 256", "not made"), (256, "\(String(repeating: "YWFh", count: 86)) 256", "line 257"),
    ])
    func badLinesAreRefused(index: Int, line: String, reason: String) throws {
        var lines = Self.lines(["ab"])
        lines[index] = line
        let refusal = failure { _ = try tokenizer(lines) }
        #expect(refusal?.kind == .badInput)
        #expect(refusal?.description.contains(reason) == true, "\(refusal?.description ?? "accepted")")
        #expect(refusal?.file?.hasSuffix("qwen.tiktoken") == true)
    }

    @Test func emptyFilesAreRefused() throws {
        #expect(failure { _ = try tokenizer([]) }?.kind == .badInput)
    }
}

/// Numbers that are the same in every run.
private struct Random: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 2 &+ 1 }

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return (state ^ state >> 29) &* 0xBF58_476D_1CE4_E5B9
    }

    mutating func letter() -> Character { ["a", "b", "c"][Int(next() >> 40 % 3)] }
}
