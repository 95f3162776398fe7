import GraphIR
import Storage

extension Engine {
    /// Checks that a bundle's graphs take what the engine feeds them: a graph that took more would read beyond it.
    func checkInterfaces() throws(Failure) {
        let patches = Dimension.symbol(.patches)
        try check(
            vision, "vision",
            [
                ("patches", .rows(patches, patchWidth)),
                ("coordinates", ValueType(.index, [.fixed(2), patches])),
                ("segments", ValueType(.index, [.symbol(.segments)])),
            ])
        guard (5...6).contains(text.inputs.count),
            case .fixed(let axes)? = text.inputs[3].type.extents.first, (1...4).contains(axes)
        else { throw .badInput("takes positions of unknown axes", at: "graph 'text'") }
        try check(
            text, "text",
            [
                ("tokens", ValueType(.index, [.symbol(.tokens)])),
                ("visuals", .rows(.symbol(.visuals), visualWidth)),
                ("visual_rows", ValueType(.index, [.symbol(.visuals)])),
                ("positions", ValueType(.index, [.fixed(axes), .symbol(.tokens)])),
                ("outputs", ValueType(.index, [.symbol(.outputs)])),
            ] + (text.inputs.count > 5 ? [("prompt_length", ValueType(.index, [.fixed(1)]))] : []))
        try check(head, "head", [("hidden", .rows(.symbol(.outputs), width))])
        for (plan, name) in [(vision, "vision"), (head, "head")] {
            let remembers = plan.steps.contains { if case .attendCausally = $0 { true } else { false } }
            if remembers {
                throw .badInput("attends to a cache, which only 'text' has", at: "graph '\(name)'")
            }
        }
    }

    private func check(_ plan: Plan, _ name: String, _ inputs: [(String, ValueType)]) throws(Failure) {
        guard plan.inputs.count == inputs.count else {
            throw .badInput("takes \(plan.inputs.count) inputs, not \(inputs.count)", at: "graph '\(name)'")
        }
        for (input, expected) in zip(plan.inputs, inputs) where (input.name, input.type) != expected {
            throw .badInput(
                "takes '\(input.name)' \(input.type), not '\(expected.0)' \(expected.1)",
                at: "graph '\(name)'")
        }
    }

    /// Rows of positions that the decoder takes.
    public var positionAxes: Int {
        if case .fixed(let axes)? = text.inputs[3].type.extents.first { axes } else { 0 }
    }

    /// Token ids must be below it: the rows of the smallest embedding.
    var tokenLimit: Int {
        let rows = text.steps.compactMap { step -> Int? in
            if case .embed(let bands, _, _) = step {
                weights.matrices[bands].reduce(0) { $0 + $1.rows }
            } else {
                nil
            }
        }
        return rows.min() ?? 0
    }
}
