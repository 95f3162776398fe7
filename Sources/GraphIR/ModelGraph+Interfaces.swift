public import Storage

/// What the graphs of a model are fed, whoever runs them, and where their rows may meet.
extension ModelGraph {
    /// Checks that its graphs take what a runtime feeds them, give what the next one takes, and let rows meet only where it
    /// runs them together: a graph that took more would read beyond what it is given.
    /// - Throws: `badInput` naming the graph and the input or value.
    public func checkInterfaces() throws(Failure) {
        guard graphs.count == 3 else {
            throw .badInput("the model has \(graphs.count) graphs, not 'vision', 'text' and 'head'")
        }
        let (vision, text, head) = (try graph("vision"), try graph("text"), try graph("head"))
        try vision.checkVisionInputs()
        try text.checkTextInputs(visualWidth: try vision.outputWidth())
        try text.checkOutput(rows: .symbol(.outputs))
        try text.checkStates()
        try head.checkInputs([("hidden", .rows(.symbol(.outputs), try text.outputWidth()))])
        try head.checkOutput(rows: .symbol(.outputs))
        for graph in [text, head] { try graph.checkThatRowsAreApart() }
        for graph in [vision, head] where graph.keepsStates {
            throw .badInput("keeps a sequence's state, which only 'text' may", at: "graph '\(graph.name)'")
        }
    }
}

extension Graph {
    fileprivate func checkVisionInputs() throws(Failure) {
        let patches = Dimension.symbol(.patches)
        guard let width = input(named: "patches")?.type.columns else {
            throw malformed("takes no rows of patches")
        }
        try checkInputs([
            ("patches", .rows(patches, width)), ("coordinates", ValueType(.index, [.fixed(2), patches])),
            ("segments", ValueType(.index, [.symbol(.segments)])),
        ])
        switch self[output].type.extents[0] {
        case .fixed, .symbol(.patches, _): break
        case let rows: throw malformed("gives \(rows) rows, which are not the patches'")
        }
    }

    fileprivate func checkTextInputs(visualWidth: Int) throws(Failure) {
        guard case .fixed(let axes)? = input(named: "positions")?.type.extents.first, (1...4).contains(axes)
        else { throw malformed("takes positions of unknown axes") }
        let tokens = Dimension.symbol(.tokens)
        try checkInputs(
            [
                ("tokens", ValueType(.index, [tokens])),
                ("visuals", .rows(.symbol(.visuals), visualWidth)),
                ("visual_rows", ValueType(.index, [.symbol(.visuals)])),
                ("positions", ValueType(.index, [.fixed(axes), tokens])),
                ("outputs", ValueType(.index, [.symbol(.outputs)])),
            ]
                + (input(named: "prompt_length") != nil
                    ? [("prompt_length", ValueType(.index, [.fixed(1)]))] : []))
    }

    fileprivate func checkInputs(_ expected: [(String, ValueType)]) throws(Failure) {
        guard inputCount == expected.count else {
            throw malformed("takes \(inputCount) inputs, not \(expected.count)")
        }
        for (name, type) in expected {
            guard let input = input(named: name) else { throw malformed("does not take '\(name)'") }
            guard input.type == type else { throw malformed("takes '\(name)' \(input.type), not \(type)") }
        }
    }

    private func input(named name: String) -> Value? { inputs.first { $0.name == name } }

    fileprivate func checkOutput(rows: Dimension) throws(Failure) {
        let found = self[output].type.extents[0]
        guard found == rows else { throw malformed("gives \(found) rows, not \(rows)") }
    }

    fileprivate func outputWidth() throws(Failure) -> Int {
        guard let width = self[output].type.columns else { throw malformed("gives no matrix of floats") }
        return width
    }

    private var states: [LayerState.ID] { nodes.compactMap { $0.operation.state?.id } }

    /// Whether it keeps anything of a sequence from one run to the next.
    fileprivate var keepsStates: Bool { !states.isEmpty }

    /// Each operation that keeps a state has one to itself, and layers are numbered from 0 on.
    fileprivate func checkStates() throws(Failure) {
        let layers = Set(states.map(\.layer))
        guard Set(states).count == states.count, layers.sorted() == Array(0..<layers.count) else {
            throw malformed("keeps \(states.count) states that do not share out its layers")
        }
    }

    /// Tokens are evaluated in chunks, their outputs in batches: rows that met there, but for the cache, would make results
    /// depend on how they were cut.
    fileprivate func checkThatRowsAreApart() throws(Failure) {
        for node in nodes where node.operation.definition.letsRowsMeet {
            throw .badInput(
                "operation '\(node.operation.name)' lets rows meet, which only 'vision' may, or what is kept of a sequence",
                at: "graph '\(name)', value '\(self[node.result].name)'")
        }
    }

    private func malformed(_ what: String) -> Failure { .badInput(what, at: "graph '\(name)'") }
}
