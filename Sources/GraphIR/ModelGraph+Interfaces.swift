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
        try text.checkCache()
        try head.checkInputs([("hidden", .rows(.symbol(.outputs), try text.outputWidth()))])
        try head.checkOutput(rows: .symbol(.outputs))
        for graph in [text, head] { try graph.checkThatRowsAreApart() }
        for graph in [vision, head] where !graph.cacheLayers.isEmpty {
            throw .badInput("attends to a cache, which only 'text' has", at: "graph '\(graph.name)'")
        }
    }
}

extension Graph {
    fileprivate func checkVisionInputs() throws(Failure) {
        let patches = Dimension.symbol(.patches)
        guard let width = inputs.first?.type.columns else { throw malformed("takes no rows of patches") }
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
        guard (5...6).contains(inputCount), case .fixed(let axes)? = inputs[3].type.extents.first,
            (1...4).contains(axes)
        else { throw malformed("takes positions of unknown axes") }
        let tokens = Dimension.symbol(.tokens)
        try checkInputs(
            [
                ("tokens", ValueType(.index, [tokens])),
                ("visuals", .rows(.symbol(.visuals), visualWidth)),
                ("visual_rows", ValueType(.index, [.symbol(.visuals)])),
                ("positions", ValueType(.index, [.fixed(axes), tokens])),
                ("outputs", ValueType(.index, [.symbol(.outputs)])),
            ] + (inputCount > 5 ? [("prompt_length", ValueType(.index, [.fixed(1)]))] : []))
    }

    fileprivate func checkInputs(_ expected: [(String, ValueType)]) throws(Failure) {
        guard inputCount == expected.count else {
            throw malformed("takes \(inputCount) inputs, not \(expected.count)")
        }
        for (input, expected) in zip(inputs, expected) where (input.name, input.type) != expected {
            throw malformed("takes '\(input.name)' \(input.type), not '\(expected.0)' \(expected.1)")
        }
    }

    fileprivate func checkOutput(rows: Dimension) throws(Failure) {
        let found = self[output].type.extents[0]
        guard found == rows else { throw malformed("gives \(found) rows, not \(rows)") }
    }

    fileprivate func outputWidth() throws(Failure) -> Int {
        guard let width = self[output].type.columns else { throw malformed("gives no matrix of floats") }
        return width
    }

    /// The layers of the cache that its attentions use, in order.
    fileprivate var cacheLayers: [Int] {
        nodes.compactMap { node in
            guard case .attention(let attention) = node.operation, case .causal(let layer) = attention.extent
            else { return nil }
            return layer
        }
    }

    /// Each attention has a layer of the cache to itself, and there are no others.
    fileprivate func checkCache() throws(Failure) {
        let layers = cacheLayers
        guard layers.sorted() == Array(0..<layers.count) else {
            throw malformed("has \(layers.count) attentions to the cache that do not share out its layers")
        }
    }

    /// Tokens are evaluated in chunks, their outputs in batches: rows that met there, but for the cache, would make results
    /// depend on how they were cut.
    fileprivate func checkThatRowsAreApart() throws(Failure) {
        for node in nodes {
            switch node.operation {
            case .mergeRows: break
            case .attention(let attention):
                if case .causal = attention.extent { continue }
            default: continue
            }
            throw .badInput(
                "operation '\(node.operation.name)' lets rows meet, which only 'vision' may, or the cache",
                at: "graph '\(name)', value '\(self[node.result].name)'")
        }
    }

    private func malformed(_ what: String) -> Failure { .badInput(what, at: "graph '\(name)'") }
}
