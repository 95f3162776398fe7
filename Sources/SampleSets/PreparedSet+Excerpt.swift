import Prompts

extension PreparedSet {
    /// A part of a set, and where it comes from.
    package struct Excerpt {
        /// The samples.
        package let set: PreparedSet
        /// Their numbers in the whole set.
        package let samples: [Int]
        /// The numbers of their visuals in the whole set.
        package let visuals: [Int]

        /// A part from its samples.
        package init(set: PreparedSet, samples: [Int], visuals: [Int]) {
            self.set = set
            self.samples = samples
            self.visuals = visuals
        }
    }

    /// What a sample is: of each kind something is to be run.
    private enum Kind: CaseIterable { case text, pictures, videos }

    private func kind(_ sample: Sample) -> Kind {
        let media = visuals[sample.visuals].map(\.medium)
        return media.isEmpty ? .text : media.contains(.video) ? .videos : .pictures
    }

    /// Some of the samples: text alone, pictures and videos share `budget` tokens evenly, and each takes samples spread over the set, its
    /// shortest at least. Of text alone the beginning is taken where a sample is too long.
    package func excerpt(tokens budget: Int) -> Excerpt {
        let numbers = samples.indices.filter { samples[$0].tokens.count > 1 }
        let kinds = Dictionary(grouping: numbers) { kind(samples[$0]) }
        let share = max(2, budget / max(1, kinds.count))
        var chosen: [Int] = []
        for kind in Kind.allCases {
            guard let all = kinds[kind] else { continue }
            var room = share
            var own: [Int] = []
            for number in all.sorted(by: { Self.place($0) < Self.place($1) })
            where samples[number].tokens.count <= room {
                room -= samples[number].tokens.count
                own.append(number)
            }
            if own.isEmpty, let least = all.min(by: { samples[$0].tokens.count < samples[$1].tokens.count }) {
                own = [least]
            }
            chosen += own
        }
        chosen.sort()
        let (part, origins) = subset(chosen)
        return Excerpt(set: part.cuttingText(to: share), samples: chosen, visuals: origins)
    }
}
