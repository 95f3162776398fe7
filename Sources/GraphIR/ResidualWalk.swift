import Storage

/// Goes from a value that a norm reads to all values that are joined with it, each once.
struct ResidualWalk {
    /// Why a stream may not be turned.
    struct Objection: Error {
        let reason: String
    }

    /// Columns of a value.
    private struct Slice: Hashable {
        let graph: Int
        let value: Graph.ValueID
        let columns: Range<Int>
    }

    private let model: ModelGraph
    private let once: Set<String>
    private let shapes: [String: [Int]]
    /// By graph and value: the nodes that read it.
    private var readers: [[Graph.ValueID: [Graph.Node]]] = []
    /// By graph and value: the node that makes it.
    private var makers: [[Graph.ValueID: Graph.Node]] = []
    private var seen: Set<Slice> = []
    // Of the stream that is being walked.
    private var writers: [ResidualStream.Writer] = []
    private var norms: [ResidualStream.Reader] = []
    private var objection: Objection?

    init(_ model: ModelGraph) {
        self.model = model
        once = model.weightsUsedOnce
        shapes = Dictionary(
            model.weights.map { ($0.name, $0.shape.extents) }, uniquingKeysWith: { first, _ in first })
        for graph in model.graphs {
            var (made, read): ([Graph.ValueID: Graph.Node], [Graph.ValueID: [Graph.Node]]) = ([:], [:])
            for node in graph.nodes {
                made[node.result] = node
                for operand in Set(node.operands) { read[operand, default: []].append(node) }
            }
            makers.append(made)
            readers.append(read)
        }
    }

    /// The stream that a value is of; nil when it was found before.
    mutating func stream(
        around value: Graph.ValueID, of graph: Int
    ) -> Result<ResidualStream, Objection>? {
        guard let width = model.graphs[graph][value].type.columns else { return nil }
        let start = Slice(graph: graph, value: value, columns: 0..<width)
        guard !seen.contains(start) else { return nil }
        (writers, norms, objection) = ([], [], nil)
        var due = [start]
        // What may not be turned is walked to its end, too, so that it is met but once.
        while let slice = due.popLast() {
            guard seen.insert(slice).inserted else { continue }
            due += origins(of: slice)
            due += continuations(of: slice)
        }
        if let objection { return .failure(objection) }
        return .success(ResidualStream(width: width, writers: writers, readers: norms))
    }

    private mutating func object(_ reason: String) {
        if objection == nil { objection = Objection(reason: reason) }
    }

    private mutating func object(_ slice: Slice, _ reason: String) {
        let graph = model.graphs[slice.graph]
        object("'\(graph[slice.value].name)' of the graph '\(graph.name)' \(reason)")
    }

    // MARK: Where a value comes from

    /// The values that a value is made of; weights that make it are noted.
    private mutating func origins(of slice: Slice) -> [Slice] {
        guard let node = makers[slice.graph][slice.value] else {
            guard let source = source(of: slice) else {
                object(slice, "is fed from outside")
                return []
            }
            return [source]
        }
        func operands(_ count: Int, shift: Int = 0) -> [Slice] {
            let columns = slice.columns.lowerBound + shift..<slice.columns.upperBound + shift
            return node.operands.prefix(count).map {
                Slice(graph: slice.graph, value: $0, columns: columns)
            }
        }
        switch node.operation {
        case .add, .scatterRows, .addRows: return operands(2)
        case .selectRows: return operands(1)
        case .columns(let columns): return operands(1, shift: columns.range.lowerBound)
        case .concatenate: return part(of: node, slice).map { [$0] } ?? []
        case .embedding(let embedding): add(embedding.use.weight, bias: nil, .columns(slice.columns))
        case .linear(let linear): add(linear.use.weight, bias: linear.bias, .rows(slice.columns))
        case .weightedSum: addExperts(node, slice)
        default: object(slice, "is made by '\(node.operation.name)'")
        }
        return []
    }

    /// The output of another graph that an input is.
    private func source(of slice: Slice) -> Slice? {
        let graph = model.graphs[slice.graph]
        guard
            let given = ModelGraph.handOvers.first(where: {
                $0.target == graph.name && $0.input == graph[slice.value].name
            }), let number = model.graphs.firstIndex(where: { $0.name == given.source })
        else { return nil }
        return Slice(graph: number, value: model.graphs[number].output, columns: slice.columns)
    }

    /// The operand that columns of a concatenation come from.
    private mutating func part(of node: Graph.Node, _ slice: Slice) -> Slice? {
        var first = 0
        for operand in node.operands {
            let range = first..<first + (model.graphs[slice.graph][operand].type.columns ?? 0)
            first = range.upperBound
            guard range.overlaps(slice.columns) else { continue }
            guard range.lowerBound <= slice.columns.lowerBound, slice.columns.upperBound <= range.upperBound
            else { break }
            let start = slice.columns.lowerBound - range.lowerBound
            return Slice(
                graph: slice.graph, value: operand, columns: start..<start + slice.columns.count)
        }
        object(slice, "lies across what is put side by side")
        return nil
    }

    private mutating func add(_ weight: String, bias: String?, _ part: ResidualStream.Writer.Part) {
        for name in [weight, bias].compactMap({ $0 }) where !once.contains(name) {
            object("'\(name)' is used more than once")
        }
        writers.append(.init(weight: weight, bias: bias, part: part))
    }

    /// The weight of experts whose rows are summed up, and nothing else reads them.
    private mutating func addExperts(_ node: Graph.Node, _ slice: Slice) {
        let value = node.operands[0]
        guard let maker = makers[slice.graph][value],
            case .expertLinear(let linear) = maker.operation,
            let rows = shapes[linear.use.weight]?.first, rows == linear.experts * slice.columns.count,
            readers[slice.graph][value]?.count == 1, value != model.graphs[slice.graph].output
        else { return object(slice, "is a sum of what is no experts' alone") }
        add(linear.use.weight, bias: nil, .rows(0..<rows))
    }

    // MARK: Where a value goes

    /// The values that a value is a part of; norms that read it are noted.
    private mutating func continuations(of slice: Slice) -> [Slice] {
        var found: [Slice] = []
        if slice.value == model.graphs[slice.graph].output {
            if let place = target(of: slice.graph) {
                found.append(Slice(graph: place.graph, value: place.value, columns: slice.columns))
            } else {
                object(slice, "is what the model gives")
            }
        }
        for node in readers[slice.graph][slice.value] ?? [] {
            for position in node.operands.indices where node.operands[position] == slice.value {
                if let next = continuation(of: slice, node, position) { found.append(next) }
            }
        }
        return found
    }

    /// What a node makes of a value that is its operand; nil when nothing of the stream comes of it.
    private mutating func continuation(of slice: Slice, _ node: Graph.Node, _ position: Int) -> Slice? {
        func result(shift: Int = 0) -> Slice {
            Slice(
                graph: slice.graph, value: node.result,
                columns: slice.columns.lowerBound + shift..<slice.columns.upperBound + shift)
        }
        switch (node.operation, position) {
        case (.add, _), (.scatterRows, 0...1), (.addRows, 0...1), (.selectRows, 0): return result()
        case (.concatenate, _):
            let graph = model.graphs[slice.graph]
            return result(
                shift: node.operands[..<position].reduce(0) { $0 + (graph[$1].type.columns ?? 0) })
        case (.columns(let columns), _):
            let range = columns.range
            guard range.overlaps(slice.columns) else { return nil }
            guard range.lowerBound <= slice.columns.lowerBound, slice.columns.upperBound <= range.upperBound
            else { break }
            return result(shift: -range.lowerBound)
        case (.rmsNorm(let norm), _):
            add(norm, node, slice)
            return nil
        case (.layerNorm, _):
            object(slice, "is read by a norm that sees more than its length")
            return nil
        default: break
        }
        object(slice, "is read by '\(node.operation.name)'")
        return nil
    }

    /// The input of another graph that a graph's output becomes.
    private func target(of graph: Int) -> (graph: Int, value: Graph.ValueID)? {
        guard let taken = ModelGraph.handOvers.first(where: { $0.source == model.graphs[graph].name }),
            let number = model.graphs.firstIndex(where: { $0.name == taken.target }),
            let value = model.graphs[number].value(named: taken.input)
        else { return nil }
        return (number, value)
    }

    private mutating func add(_ norm: Operation.RMSNorm, _ node: Graph.Node, _ slice: Slice) {
        guard norm.heads == 1 else {
            return object(slice, "is read by a norm that sees more than its length")
        }
        guard slice.columns.count == model.graphs[slice.graph][slice.value].type.columns else {
            return object(slice, "is normalised together with other columns")
        }
        guard once.contains(norm.weight) else { return object("'\(norm.weight)' is used more than once") }
        let linears = linears(reading: node.result, of: slice.graph)
        if !linears.isEmpty { norms.append(.init(norm: norm.weight, linears: linears)) }
    }

    /// The weights of the linears that read the rows of a norm, which nothing else may read.
    private mutating func linears(reading value: Graph.ValueID, of graph: Int) -> [String] {
        var names: [String] = []
        let whole = Slice(graph: graph, value: value, columns: 0..<0)
        if value == model.graphs[graph].output {
            guard let place = target(of: graph) else {
                object(whole, "is what the model gives")
                return []
            }
            names += linears(reading: place.value, of: place.graph)
        }
        for node in readers[graph][value] ?? [] {
            switch node.operation {
            case .selectRows where node.operands[0] == value, .mergeRows:
                names += linears(reading: node.result, of: graph)
            case let linear where linear.isLinear:
                guard let use = linear.weightUse else { continue }
                guard once.contains(use.weight) else {
                    object("'\(use.weight)' is used more than once")
                    continue
                }
                guard shapes[use.weight]?.last == model.graphs[graph][value].type.columns,
                    !node.operands.dropFirst().contains(value)
                else {
                    object(whole, "is cut into parts for experts, or chooses them")
                    continue
                }
                names.append(use.weight)
            default: object(whole, "is read by '\(node.operation.name)'")
            }
        }
        return names
    }
}
