import Accuracy
import Testing

/// What is not finite is a difference without limit, on whichever side, and never an agreement.
@Suite struct DivergenceTests {
    private static let sound: [Float] = [1, 3, -2, 0.5]

    private static func compare(_ base: [Float], _ other: [Float], target: Int32? = 1) -> Divergence {
        var divergence = Divergence()
        divergence.add(base, other, target)
        return divergence
    }

    /// Rows that are no distribution.
    private static let unsound: [[Float]] = [
        [.nan, .nan, .nan, .nan], [1, .nan, -2, 0.5], [.nan, 3, -2, 0.5], [1, 3, -2, .infinity],
        [.infinity, .infinity, .infinity, .infinity],
        [-.infinity, -.infinity, -.infinity, -.infinity], [.nan, .infinity, -.infinity, 0],
    ]

    @Test(arguments: unsound)
    func whatIsNoDistributionDiffersWithoutLimit(row: [Float]) throws {
        for (base, other, side) in [
            (row, Self.sound, NonFinite.Side.base), (Self.sound, row, .other), (row, row, .both),
        ] {
            let summary = try #require(Self.compare(base, other).summary)
            for value in [
                summary.mean, summary.standardError, summary.median, summary.percentile99,
                summary.percentile999, summary.maximum,
            ] { #expect(value == .infinity, "\(base) \(other)") }
            #expect(summary.agreement == 0)
            #expect(summary.nonFinite.count == 1 && summary.nonFinite.side == side)
            #expect((summary.basePerplexity == .infinity) == (side != .other))
            #expect((summary.otherPerplexity == .infinity) == (side != .base))
        }
    }

    /// A logit of −∞ is a probability of 0: nothing where both have it, and without limit where one has it alone.
    @Test func anImpossibleTokenMustBeSoOnBothSides() throws {
        var masked = Self.sound
        masked[2] = -.infinity
        let same = try #require(Self.compare(masked, masked).summary)
        #expect(same.mean == 0 && same.nonFinite.count == 0 && same.agreement == 1)
        for (base, other, side) in [
            (masked, Self.sound, NonFinite.Side.base), (Self.sound, masked, .other),
        ] {
            let summary = try #require(Self.compare(base, other).summary)
            #expect(summary.mean == .infinity && summary.nonFinite.side == side)
        }
        // However little the base gives it.
        let summary = try #require(Self.compare([0, -1000], [0, -.infinity]).summary)
        #expect(summary.mean == .infinity)
    }

    /// One bad position among many shows in the mean, the largest and what is above it; not in the median.
    @Test func theFirstBadPositionIsNamed() throws {
        var divergence = Divergence()
        for position in 0..<2000 {
            let isBad = position == 1234 || position == 1500
            divergence.add(Self.sound, isBad ? [0, 0, .nan, 0] : [1, 2.9, -2, 0.5], 0)
        }
        let summary = try #require(divergence.summary)
        #expect(summary.nonFinite.count == 2 && summary.nonFinite.first == 1234)
        #expect(summary.nonFinite.side == .other)
        #expect(summary.mean == .infinity && summary.maximum == .infinity)
        #expect(summary.standardError == .infinity && summary.otherPerplexity == .infinity)
        #expect(summary.median.isFinite && summary.percentile99.isFinite)
        #expect(summary.percentile999 == .infinity || summary.percentile999.isFinite)
        #expect(summary.agreement == 1998.0 / 2000)
        #expect(try #require(summary.basePerplexity).isFinite)
    }

    /// No quantile may come out as NaN between two infinities, or beside one.
    @Test(arguments: 1...7) func quantilesStayOrdered(bad: Int) throws {
        var divergence = Divergence()
        for position in 0..<7 {
            divergence.add(Self.sound, position < bad ? [.nan, 0, 0, 0] : [1, 2.9, -2, 0.5], nil)
        }
        let summary = try #require(divergence.summary)
        let ordered = [
            summary.median, summary.percentile99, summary.percentile999, summary.maximum,
        ]
        #expect(ordered.allSatisfy { !$0.isNaN } && ordered == ordered.sorted())
        #expect(summary.median.isFinite == (bad < 4))
    }

    /// Differences beyond float32 of finite logits are no NaN either.
    @Test func hugeLogitsDiverge() throws {
        let summary = try #require(Self.compare([3e38, -3e38], [-3e38, 3e38]).summary)
        #expect(summary.mean == .infinity && summary.agreement == 0)
        let same = try #require(Self.compare([3e38, -3e38], [3e38, -3e38]).summary)
        #expect(same.mean == 0 && same.nonFinite.count == 0)
    }

    @Test func rowsOfOtherSizesDiffer() throws {
        let summary = try #require(Self.compare(Self.sound, [1, 2], target: 3).summary)
        #expect(summary.mean == .infinity && summary.nonFinite.side == .other)
        #expect(try #require(Self.compare([], [], target: nil).summary).mean == .infinity)
    }

    @Test func aModelDoesNotDivergeFromItself() throws {
        let summary = try #require(Self.compare(Self.sound, Self.sound).summary)
        #expect(summary.mean == 0 && summary.maximum == 0 && summary.agreement == 1)
        #expect(summary.nonFinite.count == 0)
    }

    @Test func divergencesAreInNats() throws {
        let summary = try #require(Self.compare([0, 0], [0, logOfThree], target: nil).summary)
        // KL(½, ½ ‖ ¼, ¾) = ½·ln 2 + ½·ln ⅔.
        #expect(abs(summary.mean - 0.143_841) < 1e-6)
    }

    private let logOfThree: Float = 1.098_612_3
}

extension Divergence {
    fileprivate mutating func add(_ base: [Float], _ other: [Float], _ target: Int32?) {
        base.withUnsafeBufferPointer { base in
            other.withUnsafeBufferPointer { add(base: base, other: $0, target: target) }
        }
    }
}
