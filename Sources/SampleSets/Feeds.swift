import Prompts
package import Runtime
package import Storage

/// The vision graph's runs: one for each picture or video.
package struct VisionFeed: GraphFeed {
    private let prepared: PreparedSet
    private let patches: any PatchStore

    /// The visuals of a set.
    package init(prepared: PreparedSet, patches: any PatchStore) {
        self.prepared = prepared
        self.patches = patches
    }

    package var count: Int { prepared.visuals.count }

    package func extents(_ index: Int) -> Extents {
        let visual = prepared.visuals[index]
        return Extents(patches: visual.grid.patches ?? 0, segments: visual.grid.t + 1)
    }

    package func input(_ name: String, _ index: Int) throws(Failure) -> PlanInput {
        switch name {
        case "patches":
            .floats(
                try patches.withPatches(index) { (bytes) throws(Failure) in
                    bytes.bindMemory(to: Float16.self).map(Float.init)
                })
        case "coordinates": .indices(prepared.coordinates(prepared.visuals[index]).values)
        case "segments": .indices(prepared.coordinates(prepared.visuals[index]).segments)
        default: throw .badInput("takes the unknown input '\(name)'", at: "graph 'vision'")
        }
    }
}

/// The text graph's runs: one for each sample, with the visual rows that the vision graph gave.
package struct TextFeed: GraphFeed {
    private let prepared: PreparedSet
    private let visuals: SpooledRows

    /// The samples of a set, with rows by visual.
    package init(prepared: PreparedSet, visuals: SpooledRows) {
        self.prepared = prepared
        self.visuals = visuals
    }

    package var count: Int { prepared.samples.count }

    package func extents(_ index: Int) -> Extents {
        let sample = prepared.samples[index]
        return Extents(
            tokens: sample.tokens.count, visuals: sample.visualRows.count, outputs: sample.tokens.count)
    }

    package func input(_ name: String, _ index: Int) throws(Failure) -> PlanInput {
        let sample = prepared.samples[index]
        let count = Int32(sample.tokens.count)
        switch name {
        case "tokens": return .indices(sample.tokens)
        case "positions": return .indices(sample.positions)
        case "visual_rows": return .indices(sample.visualRows)
        case "outputs": return .indices(Array(0..<count))
        case "prompt_length": return .indices([count])
        case "visuals":
            var rows: [Float] = []
            for visual in sample.visuals { rows += try visuals.values(visual) }
            return .floats(rows)
        default: throw .badInput("takes the unknown input '\(name)'", at: "graph 'text'")
        }
    }
}

/// The head's runs: the final hidden states of each sample.
package struct HeadFeed: GraphFeed {
    private let prepared: PreparedSet
    private let hidden: SpooledRows

    /// The hidden states of a set's samples.
    package init(prepared: PreparedSet, hidden: SpooledRows) {
        self.prepared = prepared
        self.hidden = hidden
    }

    package var count: Int { prepared.samples.count }

    package func extents(_ index: Int) -> Extents { Extents(outputs: prepared.samples[index].tokens.count) }

    package func input(_ name: String, _ index: Int) throws(Failure) -> PlanInput {
        guard name == "hidden" else {
            throw .badInput("takes the unknown input '\(name)'", at: "graph 'head'")
        }
        return .floats(try hidden.values(index))
    }
}
