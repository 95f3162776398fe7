import Runtime
import Testing

@Suite struct SamplerTests {
    private let logits: [Float] = [0, 3, 1, 3, 2]

    @Test func greedyTakesTheLowestOfEquals() {
        var sampler = Sampler(.init())
        #expect(sampler.next(logits, seen: []) == 1)
    }

    @Test func theRepetitionPenaltyCountsSeenTokens() {
        var sampler = Sampler(.init(repetitionPenalty: 2))
        #expect(sampler.next(logits, seen: [1]) == 3)
        // Negative logits are multiplied, so that they fall as well.
        #expect(sampler.next([-1, -1.5], seen: [0]) == 1)
    }

    @Test func aSeedGivesTheSameDraws() {
        func draws(_ seed: UInt64) -> [Int32] {
            var sampler = Sampler(.init(temperature: 1, seed: seed))
            return (0..<64).map { _ in sampler.next(logits, seen: []) }
        }
        #expect(draws(1) == draws(1))
        #expect(draws(1) != draws(2))
        #expect(Set(draws(1)).count > 2)
    }

    @Test func topKAndTopPLeaveOnlyTheLikely() {
        var two = Sampler(.init(temperature: 1, topK: 2))
        var narrow = Sampler(.init(temperature: 1, topP: 0.1))
        for _ in 0..<64 {
            #expect([1, 3].contains(two.next(logits, seen: [])))
            #expect(narrow.next(logits, seen: []) == 1)
        }
    }

    @Test func frequenciesFollowTheSoftmax() {
        var sampler = Sampler(.init(temperature: 1, seed: 7))
        var counts = [0, 0]
        for _ in 0..<8000 { counts[Int(sampler.next([0, 1], seen: []))] += 1 }
        // σ(1) = 0.731; three standard deviations are 0.015.
        #expect(abs(Double(counts[1]) / 8000 - 0.7311) < 0.015)
    }
}
