import GraphIR
import GroupFormats
import Quantization
import Storage
import Testing

/// Where bytes go when there are not enough for everything.
@Suite struct AllocationTests {
    private func candidate(
        _ name: String, _ block: Int?,
        rows: Range<Int> = 0..<10,
        _ options: [(bits: GroupFormat.Bits, group: Int, bytes: Int, cost: Double)]
    ) throws -> Allocation.Candidate {
        try Allocation.Candidate(
            [name], roles: ["text.mlp.up"], block: block, rows: rows,
            options.map { try .init(format($0.bits, $0.group), bytes: $0.bytes, cost: $0.cost) })
    }

    @Test func optionsAboveTheHullTakeWhatIsLeft() throws {
        let candidate = try candidate(
            "w", 0,
            [
                (.four, 64, 10, 8), (.four, 32, 12, 7.5), (.four, 16, 14, 2), (.eight, 64, 20, 3),
                (.eight, 32, 24, 0.5),
            ])
        // 12 bytes save less than the way to 14 does, and 20 bytes cost more than 14.
        #expect(candidate.options.map(\.bytes) == [10, 12, 14, 24])
        #expect(candidate.hull.map { candidate.options[$0].bytes } == [10, 14, 24])
        for (budget, bytes, next) in [(11, 10, 2), (13, 12, 2), (14, 14, 10), (30, 24, nil)] {
            let found = try Allocation([candidate], budget: budget, describe: { "\($0)" })
            #expect(found.bytes == bytes && found.nextStep == next, "\(budget)")
        }
    }

    /// Against every combination: a greedy walk down hulls misses the best by less than one step is worth.
    @Test(arguments: 1...20)
    func theBestIsMissedByLessThanAStep(seed: UInt64) throws {
        var numbers = Numbers(seed)
        let candidates = try (0..<4).map { index in
            var (bytes, cost) = (10, 100.0)
            let options = GroupFormat.all.prefix(4).map { format in
                bytes += Int.random(in: 1...9, using: &numbers)
                cost *= Double.random(in: 0.2...0.9, using: &numbers)
                return (bits: format.bits, group: format.groupSize, bytes: bytes, cost: cost)
            }
            return try candidate("w\(index)", index, options)
        }
        let least = candidates.reduce(0) { $0 + $1.options[0].bytes }
        let step = candidates.flatMap { candidate in
            let hull = candidate.hull.map { candidate.options[$0] }
            return zip(hull, hull.dropFirst()).map { $0.cost - $1.cost }
        }.max()
        for budget in least...least + 80 {
            let found = try Allocation(candidates, budget: budget, describe: { "\($0)" })
            #expect(found.bytes <= budget && found.choices.count == 4)
            var best = Double.infinity
            func walk(_ index: Int, _ bytes: Int, _ cost: Double) {
                guard bytes <= budget else { return }
                guard index < candidates.count else { return best = min(best, cost) }
                for option in candidates[index].options {
                    walk(index + 1, bytes + option.bytes, cost + option.cost)
                }
            }
            walk(0, 0, 0)
            #expect(found.cost >= best && found.cost <= best + (step ?? 0))
        }
    }

    @Test func theLeastThatWouldDoIsNamed() throws {
        let candidates = [try candidate("w", 0, [(.four, 64, 10, 1)])]
        let failure = #expect(throws: Failure.self) {
            try Allocation(candidates, budget: 9, describe: { "\($0) bytes" })
        }
        #expect(failure?.kind == .limit)
        #expect(failure?.message.contains("10 bytes") == true)
    }

    /// Neighbours in one format become one band, and one band is no band.
    @Test func partsOfAWeightBecomeBands() throws {
        func recipe(_ costs: [Double], budget: Int) throws -> Recipe {
            let starts = [0, 16, 64, 128]
            let parts = try zip(starts, costs).enumerated().map { place, part in
                let end = place + 1 < starts.count ? starts[place + 1] : 200
                return try candidate(
                    "w", nil, rows: part.0..<end, [(.four, 32, 10, part.1), (.six, 64, 16, 0)])
            }
            return try Allocation(parts.reversed(), budget: budget, describe: { "\($0)" }).recipe(
                "mine", summary: "", solver: .refit, rest: Recipe("rest", rules: []))
        }
        let use = Operation.WeightUse("w", Role("text.mlp.up"))
        let banded = try recipe([9, 8, 0.2, 0.1], budget: 52)
        let bands = try #require(RowBands("int6-g64+64:int4-g32"))
        #expect(banded.choice(for: [use]) == .bands(bands, .refit))
        #expect(try Recipe(json: banded.json) == banded)
        #expect(
            try recipe([9, 8, 3, 2], budget: 64).choice(for: [use]) == .groups(try format(.six, 64), .refit))
    }

    @Test func aRecipeNamesBlocksWhereTheyDiffer() throws {
        let candidates = try [0, 1, 2, 5].map { block in
            try candidate("w\(block)", block, [(.four, 64, 10, 1), (.four, 16, 14, block == 2 ? 0.9 : 0.1)])
        }
        let allocation = try Allocation(candidates, budget: 52, describe: { "\($0)" })
        let rest = Recipe("rest", rules: [], fallback: .keep)
        let recipe = allocation.recipe("mine", summary: "", solver: .refit, rest: rest)
        for (candidate, group) in zip(candidates, [16, 16, 64, 16]) {
            let use = Operation.WeightUse(candidate.weights[0], Role("text.mlp.up"), block: candidate.block)
            #expect(recipe.choice(for: [use]) == .groups(try format(.four, group), .refit))
        }
        #expect(try Recipe(json: recipe.json) == recipe)
    }

    /// A rule without blocks fits everything of its roles: it comes after those with blocks.
    @Test func whatIsOutsideOfBlocksShadowsNothing() throws {
        let blocks: [Int?] = [nil, 0, 1]
        let candidates = try blocks.map { block in
            try candidate("w", block, [(.four, 64, 10, 1), (.four, 16, 14, block == 1 ? 0.9 : 0.1)])
        }
        let allocation = try Allocation(candidates, budget: 38, describe: { "\($0)" })
        let recipe = allocation.recipe(
            "mine", summary: "", solver: .refit, rest: Recipe("rest", rules: [], fallback: .keep))
        for (block, group) in zip(blocks, [16, 16, 64]) {
            let use = Operation.WeightUse("w", Role("text.mlp.up"), block: block)
            #expect(recipe.choice(for: [use]) == .groups(try format(.four, group), .refit), "\(block ?? -1)")
        }
    }
}
