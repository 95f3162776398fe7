import GroupFormats
import Storage
import Testing

@testable import Accuracy

/// Sums over pairs, and what rounding costs.
@Suite struct PairSumsTests {
    private let values = (0..<77).map { Float(($0 * 7919 + 13) % 1009) / 500 - 1 }

    @Test func errorsAreExact() {
        let sums = PairSums(values, values.map { 1.5 * $0 })
        #expect(abs(sums.relativeError - 0.5) < 1e-6 && abs(sums.cosine - 1) < 1e-6)
        #expect(PairSums(values, values).relativeError == 0)
        #expect(PairSums(values, values.map { -$0 }).cosine < -0.999_999)
    }

    /// Squares beyond float32 are no infinity; what is not finite is.
    @Test func largeValuesAreFinite() {
        let large = values.map { $0 * 1e30 }
        #expect(abs(PairSums(large, large.map { 1.5 * $0 }).relativeError - 0.5) < 1e-6)
        #expect(PairSums([1, 2], [1, .nan]).relativeError == .infinity)
        #expect(PairSums([0, 0], [0, 1]).relativeError == .infinity)
    }

    @Test func slopesAreFoundWithAnOffset() throws {
        let slope = try #require(PairSums(values, values.map { 1.25 * $0 + 0.3 }).slope)
        #expect(abs(slope.factor - 1.25) < 1e-4 && slope.deviations > 100)
        let format = try #require(GroupFormat(.four, groupSize: 32))
        let rounded = try #require(PlainRounding(encoding: .groups(format))(values, columns: 77))
        let none = try #require(PairSums(values, rounded).slope)
        #expect(none.deviations < 4)
    }

    /// Every encoding costs something between nothing and a fifth, fewer bits more than many.
    @Test func roundingCostsByBits() throws {
        func cost(_ encoding: TensorEncoding) throws -> Double {
            PairSums(values, try #require(PlainRounding(encoding: encoding)(values, columns: 77)))
                .relativeError
        }
        let (four, eight) = (
            try #require(GroupFormat(.four, groupSize: 32)), try #require(GroupFormat(.eight, groupSize: 32))
        )
        for pair in [
            (TensorEncoding.groups(four), TensorEncoding.groups(eight)),
            (.zeroPoints(four), .zeroPoints(eight)),
            (.affine(four), .affine(eight)), (.float(.bfloat16), .float(.float16)),
        ] {
            let (few, many) = (try cost(pair.0), try cost(pair.1))
            #expect(many > 0 && many < few && few < 0.2, "\(pair): \(few), \(many)")
        }
        #expect(try cost(.float(.float32)) == 0)
        for format in Float4Format.allCases { #expect((0.02..<0.2).contains(try cost(.float4(format)))) }
        #expect(PlainRounding(encoding: .groups(four))([1, .nan], columns: 2) == nil)
    }
}
