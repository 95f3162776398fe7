import Testing

@testable import Quantization

/// How much the rows of a table of tokens matter.
@Suite struct TokenFrequenciesTests {
    @Test(arguments: [1, 1000, 1024, 1025, 49_152, 151_936])
    func bandsCoverATable(table: Int) {
        let bands = TokenFrequencies.bands(of: table)
        #expect(bands.first?.lowerBound == 0 && bands.last?.upperBound == table)
        for (band, next) in zip(bands, bands.dropFirst()) { #expect(band.upperBound == next.lowerBound) }
        #expect(bands.allSatisfy { $0.lowerBound % 16 == 0 && !$0.isEmpty })
    }

    /// Nine tenths by the tokens, one tenth evenly.
    @Test func sharesFollowTheTokens() {
        let frequencies = TokenFrequencies([5, 5, 1023, 1024, 9000, 5, 5, 5])
        let table = 10_000
        #expect(abs(frequencies.share(0..<1024, of: table) - (0.9 * 6 / 8 + 0.1 * 0.1024)) < 1e-12)
        #expect(abs(frequencies.share(1024..<4096, of: table) - (0.9 / 8 + 0.1 * 0.3072)) < 1e-12)
        #expect(abs(frequencies.share(4096..<table, of: table) - (0.9 / 8 + 0.1 * 0.5904)) < 1e-12)
        let sum = TokenFrequencies.bands(of: table).reduce(0) { $0 + frequencies.share($1, of: table) }
        #expect(abs(sum - 1) < 1e-12)
    }

    /// Tokens that a table does not have, and a set without tokens.
    @Test func strangeTokensDoNoHarm() {
        #expect(TokenFrequencies([-1, .max, 70]).share(0..<64, of: 64) == 1)
        #expect(TokenFrequencies([]).share(0..<16, of: 64) == 0.25)
    }
}
