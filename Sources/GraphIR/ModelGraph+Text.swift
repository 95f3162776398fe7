import Storage

/// The forms that people read.
extension ModelGraph {
    /// One line a value:
    ///
    ///     block.0.q: float[tokens, 1536] = linear(block.0.norm1) weight=… bias=… role=text.attention.q block=0
    public var text: String { graphs.map(\.text).joined(separator: "\n") }

    /// Flowcharts in Mermaid's notation, one a graph.
    public var mermaid: String { graphs.map(\.mermaid).joined(separator: "\n") }
}

extension Graph {
    var text: String {
        var lines = ["graph \(name) {"]
        for input in inputs { lines.append("  \(input.name): \(input.type)") }
        for node in nodes {
            let operands = node.operands.map { self[$0].name }.joined(separator: ", ")
            let attributes = node.operation.attributes.map {
                " \($0.key)=\($0.value.string ?? $0.value.serialized())"
            }
            let result = self[node.result]
            lines.append(
                "  \(result.name): \(result.type) = \(node.operation.name)(\(operands))\(attributes.joined())"
            )
        }
        lines.append("  return \(self[output].name)\n}\n")
        return lines.joined(separator: "\n")
    }

    var mermaid: String {
        var lines = ["flowchart TD", "  subgraph \(name)"]
        for (index, input) in inputs.enumerated() {
            lines.append("    \(name)\(index)([\"\(input.name)<br/>\(input.type.mermaid)\"])")
        }
        for node in nodes {
            let result = self[node.result]
            lines.append(
                "    \(name)\(node.result.index)[\"\(node.operation.name)<br/>\(result.name)<br/>\(result.type.mermaid)\"]"
            )
            for operand in node.operands {
                lines.append("    \(name)\(operand.index) --> \(name)\(node.result.index)")
            }
        }
        lines.append("  end\n")
        return lines.joined(separator: "\n")
    }
}

extension ValueType {
    /// Mermaid takes brackets for the ends of a label unless they are written as entities.
    fileprivate var mermaid: String {
        description.map { $0 == "[" ? "#91;" : $0 == "]" ? "#93;" : String($0) }.joined()
    }
}
