public import Storage

extension ModelGraph {
    /// The graph of that name with its rows selected as early as that gives the same: what treats each row by itself, such as
    /// the last block's layers after its attention, then treats the selected rows alone.
    /// - Throws: `badInput` when there is no such graph.
    public func graphSelectingEarly(_ name: String) throws(Failure) -> Graph {
        let shapes = Dictionary(weights.map { ($0.name, $0.shape) }, uniquingKeysWith: { first, _ in first })
        return try graph(name).selectingEarly(shapes)
    }
}

extension Graph {
    /// The graph with its last selection of rows moved to before all nodes that treat each row by itself, and of whose results
    /// no other rows are used.
    fileprivate func selectingEarly(_ shapes: [String: Shape]) throws(Failure) -> Graph {
        guard let selection = nodes.last(where: { $0.operation == .selectRows }),
            selection.operands[1].index < inputCount
        else { return self }
        let moved = resultsUsed(only: selection)
        guard !moved.isEmpty else { return self }

        var graph = Graph(name: name)
        var whole: [ValueID: ValueID] = [:]
        var selected: [ValueID: ValueID] = [:]
        for index in 0..<inputCount {
            whole[ValueID(index: index)] = try graph.addInput(values[index].name, values[index].type)
        }
        for node in nodes where node != selection {
            let isMoved = moved.contains(node.result)
            var operands: [ValueID] = []
            for operand in node.operands {
                if isMoved, selected[operand] == nil {
                    selected[operand] = try graph.addNode(
                        .selectRows, [operand, selection.operands[1]].compactMap { whole[$0] }, name: nil,
                        shapes: shapes)
                }
                operands += [isMoved ? selected[operand] : whole[operand]].compactMap { $0 }
            }
            let name = self[node.result].isNamed ? self[node.result].name : nil
            let result = try graph.addNode(node.operation, operands, name: name, shapes: shapes)
            if isMoved { selected[node.result] = result } else { whole[node.result] = result }
            if node.result == selection.operands[0] { whole[selection.result] = result }
        }
        if let output = whole[output] { try graph.setOutput(output) }
        return graph
    }

    /// The results of nodes that treat each row by itself whose only uses are by one another and by `selection`: none where what is
    /// selected is used otherwise, too.
    private func resultsUsed(only selection: Node) -> Set<ValueID> {
        var used = Set([output])
        var moved: Set<ValueID> = []
        for node in nodes.reversed() where node != selection {
            if node.operation.treatsRowsAlone, !used.contains(node.result),
                node.result == selection.operands[0] || !moved.isEmpty
            {
                moved.insert(node.result)
            } else {
                used.formUnion(node.operands)
            }
        }
        return moved
    }
}
