import CKernels
import Glibc
import Testing

/// Rows of logits as distributions: the same bits on every instruction set, close to double precision however small.
@Suite struct LogitKernelTests {
    static func compare(_ isa: UInt32, _ base: [Float], _ other: [Float]) -> tsr_logit_pair {
        var pair = tsr_logit_pair()
        tsr_compare_logits_with(tsr_isa(rawValue: isa), base, other, base.count, &pair)
        return pair
    }

    static func weights(_ isa: tsr_isa, _ row: [Float], _ peak: Float, _ factor: Float) -> [Float] {
        var weights = Array(repeating: Float.nan, count: row.count)
        tsr_logit_weights_with(isa, row, row.count, peak, factor, &weights)
        return weights
    }

    static func bits(_ pair: tsr_logit_pair) -> [UInt64] {
        [pair.normalizer.0, pair.normalizer.1, pair.divergence, pair.reverse].map(\.bitPattern)
            + [pair.top.0, pair.top.1].map(UInt64.init) + [pair.only.0, pair.only.1].map { UInt64($0) }
    }

    /// Logits with a few that stand out, and others at a distance of about `noise` from them, and all of these by 0.3 more.
    static func rows(_ count: Int, noise: Float, seed: UInt64 = 1) -> (base: [Float], other: [Float]) {
        var source = Noise(state: seed)
        let base = source.floats(count).enumerated().map { 6 * $1 + ($0 % 97 == 5 ? 8 : 0) }
        return (base, zip(base, source.floats(count)).map { $0 + noise * $1 + 0.3 })
    }

    /// KL(base ‖ other) in double precision.
    static func reference(_ base: [Float], _ other: [Float]) -> Double {
        func logarithms(_ row: [Float]) -> [Double] {
            let highest = Double(row.max() ?? 0)
            let sum = row.reduce(0.0) { $0 + exp(Double($1) - highest) }
            return row.map { Double($0) - highest - log(sum) }
        }
        return zip(logarithms(base), logarithms(other)).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) }
    }

    @Test(arguments: FloatKernels.available.map(\.isa))
    func bitsAreThoseOfPlainC(_ isa: UInt32) {
        for count in [1, 2, 15, 16, 17, 31, 33, 1000, 4099] {
            var (base, other) = Self.rows(count, noise: 0.5, seed: UInt64(count))
            #expect(Self.bits(Self.compare(isa, base, other)) == Self.bits(Self.compare(0, base, other)))
            for value in [Float.nan, -.infinity, .infinity, 3e38, -3e38] {
                (base[count / 2], other[count - 1]) = (value, -value)
                let (found, expected) = (Self.compare(isa, base, other), Self.compare(0, base, other))
                #expect(Self.bits(found) == Self.bits(expected), "\(count) \(value)")
            }
        }
    }

    /// The peak is the first of the largest; weights are exponentials to 3e-7 of them.
    @Test(arguments: FloatKernels.available.map(\.isa))
    func peaksAndWeightsAreThoseOfPlainC(_ isa: UInt32) {
        let isa = tsr_isa(rawValue: isa)
        for count in [1, 2, 15, 16, 17, 31, 33, 1000, 4099] {
            var (row, _) = Self.rows(count, noise: 0, seed: UInt64(count))
            let highest = row.max() ?? 0
            var place = -1
            #expect(tsr_logit_peak_with(isa, row, count, &place) == highest)
            #expect(place == row.firstIndex(of: highest))
            for factor in [Float(0.5), 1, 7, .greatestFiniteMagnitude] {
                let weights = Self.weights(isa, row, highest, factor)
                #expect(weights == Self.weights(TSR_ISA_SCALAR, row, highest, factor))
                for (weight, logit) in zip(weights, row) {
                    let expected = exp(Double((logit - highest) * factor))
                    #expect(abs(Double(weight) - expected) <= 3e-7 * expected + 1.2e-38)
                }
            }
            row[count / 2] = .nan
            #expect(tsr_logit_peak_with(isa, row, count, &place).isNaN)
            row = Array(repeating: -.infinity, count: count)
            #expect(tsr_logit_peak_with(isa, row, count, &place).isNaN)
        }
    }

    /// Of noise of so much, divergences from 1e-9 nats on.
    @Test(arguments: [Float(1e-4), 1e-3, 1e-2, 0.1, 1, 4])
    func divergencesAreExactToAFloat(noise: Float) {
        let (base, other) = Self.rows(5000, noise: noise)
        let pair = Self.compare(tsr_isa_in_use().rawValue, base, other)
        // What is compared with has rounding errors of 1e-16 of terms near 1.
        let slack = 1e-14
        let (forward, reverse) = (Self.reference(base, other), Self.reference(other, base))
        #expect(abs(pair.divergence - forward) < 5e-7 * forward + slack)
        #expect(abs(pair.reverse - reverse) < 5e-7 * reverse + slack)
        #expect(pair.top.0 == base.firstIndex(of: base.max() ?? 0) ?? -1)
        #expect(pair.top.1 == other.firstIndex(of: other.max() ?? 0) ?? -1)
    }

    @Test func equalRowsDoNotDiverge() {
        for count in [1, 16, 100] {
            let row = Self.rows(count, noise: 1).base
            let pair = Self.compare(tsr_isa_in_use().rawValue, row, row)
            #expect(pair.divergence == 0 && pair.reverse == 0)
            // A constant more changes no probability.
            let shifted = Self.compare(tsr_isa_in_use().rawValue, row, row.map { $0 + 1 })
            #expect(abs(shifted.divergence) < 1e-12 && shifted.divergence >= 0)
        }
    }

    /// Of equal logits the first is the top.
    @Test func theFirstOfEqualsIsTheTop() {
        var row = [Float](repeating: -1, count: 100)
        for place in [99, 40, 24, 25] { row[place] = 7 }
        #expect(Self.compare(tsr_isa_in_use().rawValue, row, row).top.0 == 24)
    }
}
