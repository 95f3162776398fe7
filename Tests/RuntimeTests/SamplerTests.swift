import Glibc
import Runtime
import Storage
import Testing

@Suite struct SamplerTests {
    private let logits: [Float] = [0, 3, 1, 3, 2]

    @Test func greedyTakesTheLowestOfEquals() throws {
        var sampler = Sampler(.init())
        #expect(try sampler.next(logits, seen: []) == 1)
    }

    @Test func theRepetitionPenaltyCountsSeenTokens() throws {
        var sampler = Sampler(.init(repetitionPenalty: 2))
        #expect(try sampler.next(logits, seen: [1]) == 3)
        // Negative logits are multiplied, so that they fall as well.
        #expect(try sampler.next([-1, -1.5], seen: [0]) == 1)
    }

    @Test func aSeedGivesTheSameDraws() throws {
        func draws(_ seed: UInt64) throws -> [Int32] {
            var sampler = Sampler(.init(temperature: 1, seed: seed))
            return try (0..<64).map { _ in try sampler.next(logits, seen: []) }
        }
        #expect(try draws(1) == draws(1))
        #expect(try draws(1) != draws(2))
        #expect(try Set(draws(1)).count > 2)
    }

    /// Beside logits of 3 a logit of 2 has e⁻¹ ≈ 0.37 of their probability, one of 1 has 0.14, one of 0 has 0.05.
    @Test func minPLeavesOnlyWhatIsNotTooFarBelow() throws {
        for (least, left) in [
            (0.38, [1, 3]), (0.36, [1, 3, 4]), (0.13, [1, 2, 3, 4]), (0, [0, 1, 2, 3, 4]),
        ] {
            var sampler = Sampler(.init(temperature: 1, minP: Float(least), seed: 5))
            let drawn = try (0..<400).map { _ in Int(try sampler.next(logits, seen: [])) }
            #expect(Set(drawn).sorted() == left, "\(least)")
        }
    }

    @Test func topKAndTopPLeaveOnlyTheLikely() throws {
        var two = Sampler(.init(temperature: 1, topK: 2))
        var narrow = Sampler(.init(temperature: 1, topP: 0.1))
        for _ in 0..<64 {
            #expect(try [1, 3].contains(two.next(logits, seen: [])))
            #expect(try narrow.next(logits, seen: []) == 1)
        }
    }

    /// Of eight thousand tokens, with and without ties at the end of what is kept: only the most likely come, each as often as its
    /// weight says, whether few of them or all are looked at.
    @Test(arguments: [
        Sampler.Settings(temperature: 0.5, topK: 40, seed: 1), .init(temperature: 0.5, topP: 0.999, seed: 2),
        .init(temperature: 0.5, topK: 3000, topP: 0.999, minP: 1e-5, seed: 3),
        .init(temperature: 0.5, seed: 4),
        .init(temperature: 3, topP: 0.9, seed: 5), .init(temperature: 3, seed: 6),
    ])
    func drawsAreThoseOfASortedDistribution(settings: Sampler.Settings) throws {
        let logits = (0..<8000).map { Float(($0 &* 7919) % 8000 / 8) / -64 }
        let kept = Self.kept(logits, settings)
        let total = kept.reduce(0) { $0 + $1.weight }
        var sampler = Sampler(settings)
        var counts: [Int32: Int] = [:]
        let draws = 200
        for _ in 0..<draws { counts[try sampler.next(logits, seen: []), default: 0] += 1 }
        #expect(Set(counts.keys).isSubset(of: kept.map { Int32($0.id) }))
        // In two halves of equal weight, draws are as many to within four standard deviations.
        var (mass, upper) = (0.0, Set<Int32>())
        for token in kept where mass < total / 2 {
            mass += token.weight
            upper.insert(Int32(token.id))
        }
        let share = mass / total
        let drawn =
            Double(counts.filter { upper.contains($0.key) }.reduce(0) { $0 + $1.value }) / Double(draws)
        #expect(abs(drawn - share) < 4 * (share * (1 - share) / Double(draws)).squareRoot() + 1e-9)
    }

    /// What may be drawn, by sorting everything.
    private static func kept(_ logits: [Float], _ settings: Sampler.Settings) -> [(id: Int, weight: Double)] {
        let peak = Double(logits.max() ?? 0)
        var all = logits.enumerated().map {
            (id: $0, weight: exp((Double($1) - peak) / Double(settings.temperature)))
        }
        all.sort { ($1.weight, $0.id) < ($0.weight, $1.id) }
        if settings.topK > 0 { all = Array(all.prefix(settings.topK)) }
        let total = all.reduce(0) { $0 + $1.weight }
        var (mass, kept) = (0.0, 0)
        while kept < all.count, mass < Double(settings.topP) * total,
            all[kept].weight >= Double(settings.minP)
        {
            mass += all[kept].weight
            kept += 1
        }
        return Array(all.prefix(kept))
    }

    @Test func frequenciesFollowTheSoftmax() throws {
        var sampler = Sampler(.init(temperature: 1, seed: 7))
        var counts = [0, 0]
        for _ in 0..<8000 { counts[Int(try sampler.next([0, 1], seen: []))] += 1 }
        // σ(1) = 0.731; three standard deviations are 0.015.
        #expect(abs(Double(counts[1]) / 8000 - 0.7311) < 0.015)
    }
}

/// What is no distribution is an error, whatever the settings; and no setting makes a NaN of what is one.
@Suite struct SamplerErrorTests {
    private static let settings: [Sampler.Settings] = [
        .init(), .init(temperature: 0.7),
        .init(temperature: 1, topK: 3, topP: 0.9, repetitionPenalty: 1.3, seed: 3),
        .init(temperature: 0x1p-140), .init(repetitionPenalty: 0x1p-140),
    ]

    @Test(arguments: settings)
    func whatIsNoDistributionIsRefused(settings: Sampler.Settings) {
        let rows: [([Float], String)] = [
            ([.nan, .nan, .nan], "token 0"), ([1, .nan, 2], "token 1"), ([1, 2, .infinity], "token 2"),
            ([-.infinity, -.infinity], "none of 2"), ([], "none of 0"),
        ]
        for (row, words) in rows {
            var sampler = Sampler(settings)
            #expect(throws: Failure.self) { try sampler.next(row, seen: [0]) }
            do { _ = try sampler.next(row, seen: [0]) } catch {
                #expect(error.kind == .badInput && error.message.contains(words), "\(error)")
            }
        }
    }

    /// −∞ is a probability of 0.
    @Test(arguments: settings)
    func impossibleTokensAreNeverTaken(settings: Sampler.Settings) throws {
        var sampler = Sampler(settings)
        for _ in 0..<64 {
            #expect(try [1, 3].contains(sampler.next([-.infinity, 2, -.infinity, 1.5], seen: [0, 1])))
        }
    }

    /// The nearest that float32 comes to its ends, in logits and in settings.
    @Test func extremesAreChosenFrom() throws {
        let logits: [Float] = [-3.4e38, 3.4e38, 3.3e38, 0]
        for temperature in [Float.leastNonzeroMagnitude, 0x1p-140, 1e-38, 0.1, 1, 1e38] {
            for penalty in [Float.leastNonzeroMagnitude, 1, .greatestFiniteMagnitude] {
                var sampler = Sampler(.init(temperature: temperature, repetitionPenalty: penalty))
                let token = try sampler.next(logits, seen: [0])
                #expect(temperature > 1 || token == 1)
                #expect(try (0..<4).contains(sampler.next(logits, seen: [0, 1, 2, 3])))
            }
        }
        // Almost no temperature is none.
        var cold = Sampler(.init(temperature: 0x1p-140))
        for _ in 0..<16 { #expect(try cold.next([1, 1.5, -2, 1.4999], seen: []) == 1) }
    }

    @Test(arguments: [
        Sampler.Settings(temperature: .nan), .init(temperature: -1), .init(temperature: .infinity),
        .init(temperature: 1, topP: .nan), .init(repetitionPenalty: 0), .init(repetitionPenalty: .nan),
        .init(repetitionPenalty: -1), .init(temperature: 1, topP: -0.5), .init(temperature: 1, minP: 2),
    ])
    func impossibleSettingsAreRefused(settings: Sampler.Settings) {
        var sampler = Sampler(settings)
        do {
            _ = try sampler.next([1, 2], seen: [0])
            Issue.record("\(settings) were accepted")
        } catch { #expect(error.kind == .usage) }
    }
}
