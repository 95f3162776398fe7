/// A place where a graph lets weights change without changing what it computes.
public enum Equivalence: Hashable, Sendable {
    /// A norm whose rows only linears read: its weight may be divided, column by column, by what their columns are multiplied
    /// with.
    case scaling(NormScaling)
    /// Values that attention averages head by head and a linear then reads: each head may be turned in `producer`'s rows
    /// and back in `reader`'s columns.
    case heads(HeadTurn)
    /// Values that additions join, from the weights that make them to the linears that read their norms: all may be turned.
    case residual(ResidualStream)
}

/// A norm and the linears that alone read its rows.
public struct NormScaling: Hashable, Sendable {
    /// The norm's weight.
    public let weight: String
    /// Its bias, if it has one.
    public let bias: String?
    /// The weights of the linears.
    public let readers: [String]
}

/// The linears before and after attention's averages.
public struct HeadTurn: Hashable, Sendable {
    /// The weight that makes the values.
    public let producer: String
    /// Its bias, if it has one.
    public let bias: String?
    /// Which of its rows make them: all, unless it makes queries and keys as well.
    public let rows: Range<Int>
    /// The weight that reads the averages.
    public let reader: String
    /// Columns of a head.
    public let headDimension: Int
}

extension ModelGraph {
    /// The biases of linears, each of one linear only, with the weights of those.
    public var biases: [(weight: String, bias: String)] {
        let once = weightsUsedOnce
        return graphs.flatMap(\.nodes).compactMap { node in
            guard case .linear(let linear) = node.operation, let bias = linear.bias, once.contains(bias),
                once.contains(linear.use.weight)
            else { return nil }
            return (linear.use.weight, bias)
        }
    }

    /// Where its weights may change together; each weight named is used once.
    public var equivalences: [Equivalence] {
        let once = weightsUsedOnce
        return residualStreams.turnable.map { .residual($0) }
            + graphs.flatMap { $0.equivalences(once: once) }
    }

    /// The names of the weights that one node reads, once.
    var weightsUsedOnce: Set<String> {
        let names = graphs.flatMap { $0.nodes.flatMap(\.operation.weightNames) }
        return Set(Dictionary(grouping: names) { $0 }.filter { $0.value.count == 1 }.keys)
    }
}

extension Graph {
    fileprivate func equivalences(once: Set<String>) -> [Equivalence] {
        nodes.compactMap { node in
            switch node.operation {
            case .rmsNorm(let norm) where norm.heads == 1: scaling(norm.weight, bias: nil, node, once)
            case .layerNorm(let norm): scaling(norm.weight, bias: norm.bias, node, once)
            case .attention(let attention): headTurn(attention, node, once)
            default: nil
            }
        }
    }

    private func readers(of value: ValueID) -> [Node] { nodes.filter { $0.operands.contains(value) } }

    private func scaling(_ weight: String, bias: String?, _ node: Node, _ once: Set<String>) -> Equivalence? {
        guard node.result != output, once.contains(weight) else { return nil }
        var names: [String] = []
        for reader in readers(of: node.result) {
            guard case .linear(let linear) = reader.operation, once.contains(linear.use.weight) else {
                return nil
            }
            names.append(linear.use.weight)
        }
        return names.isEmpty ? nil : .scaling(NormScaling(weight: weight, bias: bias, readers: names))
    }

    private func headTurn(
        _ attention: Operation.Attention, _ node: Node, _ once: Set<String>
    ) -> Equivalence? {
        guard let (producer, rows) = producer(of: node.operands[2]),
            case .linear(let made) = producer.operation, once.contains(made.use.weight),
            made.bias.map(once.contains) ?? true, node.result != output
        else { return nil }
        let after = readers(of: node.result)
        guard after.count == 1, case .linear(let read)? = after.first?.operation,
            once.contains(read.use.weight)
        else { return nil }
        return .heads(
            HeadTurn(
                producer: made.use.weight, bias: made.bias,
                rows: rows ?? 0..<attention.keyHeads * attention.headDimension, reader: read.use.weight,
                headDimension: attention.headDimension))
    }

    /// The linear that makes a value which nothing else reads, and which of its rows if it makes more than that.
    private func producer(of value: ValueID) -> (node: Node, rows: Range<Int>?)? {
        guard readers(of: value).count == 1, value != output,
            let node = nodes.first(where: { $0.result == value })
        else { return nil }
        guard case .columns(let columns) = node.operation else { return (node, nil) }
        guard let source = nodes.first(where: { $0.result == node.operands[0] }), source.result != output
        else { return nil }
        // Other readers must read other columns.
        let others = readers(of: source.result).filter { $0.result != value }
        for other in others {
            guard case .columns(let others) = other.operation, !others.range.overlaps(columns.range) else {
                return nil
            }
        }
        return (source, columns.range)
    }
}
