import Storage

/// Changes the JSON of a model's graph at random: nodes dropped, doubled, moved, rewired, resized, renumbered; the same
/// changes for the same seed. Types that nodes state are kept as hints, so that many mutants are legal graphs.
struct GraphMutator {
    private var random: Random
    private var weights: [JSON]
    private var graphs: [MutableGraph]

    /// A graph as the mutator changes it.
    struct MutableGraph {
        var name: String
        var inputs: [JSON]
        var nodes: [JSON]
        var output: String

        /// The names of its values with their types, those before node `end`.
        func values(before end: Int) -> [(name: String, type: String)] {
            inputs.map { ($0["name"]?.string ?? "", $0["type"]?.string ?? "") }
                + nodes.prefix(end).map { ($0["result"]?.string ?? "", $0["type"]?.string ?? "") }
        }
    }

    /// SplitMix64.
    struct Random: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    /// The mutant of a seed: one to three changes.
    static func mutant(of model: JSON, seed: UInt64) -> JSON {
        var mutator = GraphMutator(model, seed)
        for _ in 0..<Int.random(in: 1...3, using: &mutator.random) { mutator.change() }
        return mutator.json
    }

    private init(_ model: JSON, _ seed: UInt64) {
        random = Random(state: seed)
        weights = model["weights"]?.array ?? []
        graphs = (model["graphs"]?.array ?? []).map {
            MutableGraph(
                name: $0["name"]?.string ?? "", inputs: $0["inputs"]?.array ?? [],
                nodes: $0["nodes"]?.array ?? [], output: $0["output"]?.string ?? "")
        }
    }

    private var json: JSON {
        var declared = weights
        // A weight that nobody uses any more would hide what else is wrong.
        var chance = random
        if Int.random(in: 0..<10, using: &chance) > 0 {
            let used = Set(
                graphs.flatMap { $0.nodes.flatMap { [$0["weight"]?.string, $0["bias"]?.string] } })
            declared.removeAll { !used.contains($0["name"]?.string) }
        }
        return .pairs([
            "version": 1, "weights": .array(declared),
            "graphs": .array(
                graphs.map {
                    .pairs([
                        "name": .string($0.name), "inputs": .array($0.inputs), "nodes": .array($0.nodes),
                        "output": .string($0.output),
                    ])
                }),
        ])
    }

    // MARK: Changes

    private mutating func change() {
        let g = pick(graphs.indices) ?? 0
        guard let n = pick(graphs[g].nodes.indices) else { return }
        switch Int.random(in: 0..<26, using: &random) {
        case 0: graphs[g].nodes.remove(at: n)
        case 1: double(g, n)
        case 2: graphs[g].nodes.swapAt(n, pick(graphs[g].nodes.indices) ?? n)
        case 3:
            let node = graphs[g].nodes.remove(at: n)
            graphs[g].nodes.insert(node, at: Int.random(in: 0...graphs[g].nodes.count, using: &random))
        case 4: rewire(g, n, ofOneType: false)
        case 5...8: rewire(g, n, ofOneType: true)
        case 9: changeOperands(g, n)
        case 10: borrowOperation(g, n)
        case 11...13: changeNumber(g, n)
        case 14: changeExtent(g)
        case 15: changeInputs(g)
        case 16: graphs[g].output = pick(graphs[g].values(before: .max))?.name ?? ""
        case 17, 18: swapWeights(g, n)
        case 19: changeWeights()
        case 20: splice(into: g, at: n)
        case 21...24: insert(g, n)
        default: renumber(g)
        }
    }

    private mutating func pick<C: Collection>(_ collection: C) -> C.Element? {
        collection.randomElement(using: &random)
    }

    private mutating func freshName() -> String { "m\(UInt32.random(in: 0...UInt32.max, using: &random))" }

    /// A copy with a name of its own, which later readers may take.
    private mutating func double(_ g: Int, _ n: Int) {
        let name = freshName()
        let old = graphs[g].nodes[n]["result"]?.string ?? ""
        graphs[g].nodes.insert(graphs[g].nodes[n].setting("result", to: .string(name)), at: n + 1)
        redirect(g, from: n + 2, old, to: name)
    }

    /// Lets some of the later readers of a value read another.
    private mutating func redirect(_ g: Int, from start: Int, _ old: String, to new: String) {
        for index in graphs[g].nodes.indices.dropFirst(start) {
            guard var operands = graphs[g].nodes[index]["operands"]?.array else { continue }
            for place in operands.indices where operands[place].string == old && Bool.random(using: &random) {
                operands[place] = .string(new)
            }
            graphs[g].nodes[index] = graphs[g].nodes[index].setting("operands", to: .array(operands))
        }
        if graphs[g].output == old, Bool.random(using: &random) { graphs[g].output = new }
    }

    private mutating func rewire(_ g: Int, _ n: Int, ofOneType: Bool) {
        guard var operands = graphs[g].nodes[n]["operands"]?.array, let place = pick(operands.indices) else {
            return
        }
        var values = graphs[g].values(before: ofOneType ? n : .max)
        if ofOneType {
            let type = values.first { $0.name == operands[place].string }?.type
            values.removeAll { $0.type != type }
        } else if Int.random(in: 0..<8, using: &random) == 0 {
            values = graphs.flatMap { $0.values(before: .max) }
        }
        operands[place] = .string(pick(values)?.name ?? "")
        graphs[g].nodes[n] = graphs[g].nodes[n].setting("operands", to: .array(operands))
    }

    private mutating func changeOperands(_ g: Int, _ n: Int) {
        var operands = graphs[g].nodes[n]["operands"]?.array ?? []
        switch Int.random(in: 0..<3, using: &random) {
        case 0: operands.shuffle(using: &random)
        case 1: _ = operands.popLast()
        default: operands.append(.string(pick(graphs[g].values(before: n))?.name ?? ""))
        }
        graphs[g].nodes[n] = graphs[g].nodes[n].setting("operands", to: .array(operands))
    }

    /// What another node does, done to these operands.
    private mutating func borrowOperation(_ g: Int, _ n: Int) {
        guard let other = pick(graphs.flatMap(\.nodes)) else { return }
        let own = graphs[g].nodes[n]
        graphs[g].nodes[n] = other.setting("operands", to: own["operands"] ?? .array([]))
            .setting("result", to: own["result"] ?? "")
    }

    private static let numbers = [
        -1, 0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 32, 63, 64, 65, 128, 255, 256, 257, 4095, 4097, 65535,
        65537,
        1 << 24, 1 << 31, 1 << 32, (1 << 32) + 1, 1 << 40, 1 << 62, .max, .min,
    ]

    private mutating func number(near value: Int) -> Int {
        switch Int.random(in: 0..<6, using: &random) {
        case 0: value &+ 1
        case 1: value &- 1
        case 2: value &* 2
        case 3: value / 2
        default: pick(Self.numbers) ?? 0
        }
    }

    private mutating func changeNumber(_ g: Int, _ n: Int) {
        guard let members = graphs[g].nodes[n].members,
            let member = pick(members.filter { $0.value.double != nil || $0.value.ints != nil })
        else { return }
        let value: JSON
        switch member.value {
        case .int(let old): value = .int(number(near: old))
        case .array(let old):
            var list = old.compactMap(\.int)
            if let place = pick(list.indices) {
                switch Int.random(in: 0..<4, using: &random) {
                case 0: list.remove(at: place)
                case 1: list.append(list[place])
                default: list[place] = number(near: list[place])
                }
            }
            value = .array(list.map(JSON.int))
        default:
            let reals = [
                0, -1, .leastNonzeroMagnitude, 1e-45, 1e-6, 0.5, 1, 10, 1e15, 1e16, 1e38, 1e300, .infinity,
                .nan,
            ]
            value = .double(pick(reals) ?? 0)
        }
        graphs[g].nodes[n] = graphs[g].nodes[n].setting(member.key, to: value)
    }

    private mutating func extent() -> String {
        switch Int.random(in: 0..<3, using: &random) {
        case 0: "\(number(near: 2))"
        case 1: pick(["tokens", "visuals", "outputs", "patches", "segments"]) ?? ""
        default:
            "\(pick(["tokens", "visuals", "outputs", "patches"]) ?? "")/\(pick([2, 4, 4096, 4097]) ?? 2)"
        }
    }

    private mutating func changeExtent(_ g: Int) {
        guard let place = pick(graphs[g].inputs.indices) else { return }
        let kind = pick(["float", "index"]) ?? ""
        let extents = (0..<Int.random(in: 0...3, using: &random)).map { _ in extent() }
        graphs[g].inputs[place] = graphs[g].inputs[place].setting(
            "type", to: .string("\(kind)[\(extents.joined(separator: ", "))]"))
    }

    private mutating func changeInputs(_ g: Int) {
        guard let place = pick(graphs[g].inputs.indices) else { return }
        switch Int.random(in: 0..<4, using: &random) {
        case 0: graphs[g].inputs.remove(at: place)
        case 1:
            let name = pick(["prompt_length", "segments", freshName()]) ?? ""
            graphs[g].inputs.append(graphs[g].inputs[place].setting("name", to: .string(name)))
        case 2: graphs[g].inputs.shuffle(using: &random)
        default: graphs[g].inputs.append(.pairs(["name": "prompt_length", "type": "index[1]"]))
        }
    }

    private mutating func swapWeights(_ g: Int, _ n: Int) {
        guard let key = graphs[g].nodes[n]["bias"] != nil && Bool.random(using: &random) ? "bias" : "weight",
            let name = graphs[g].nodes[n][key]?.string
        else { return }
        let shape = weights.first { $0["name"]?.string == name }?["shape"]
        let others = weights.filter { $0["shape"] == shape || Int.random(in: 0..<20, using: &random) == 0 }
        graphs[g].nodes[n] = graphs[g].nodes[n].setting(key, to: pick(others)?["name"] ?? "")
    }

    private mutating func changeWeights() {
        guard let place = pick(weights.indices) else { return }
        var shape = weights[place]["shape"]?.ints ?? []
        switch Int.random(in: 0..<6, using: &random) {
        case 0: shape.reverse()
        case 1: shape.append(number(near: 1))
        case 2: weights.remove(at: place)
        case 3: weights.append(weights[place])
        default: if let axis = pick(shape.indices) { shape[axis] = number(near: shape[axis]) }
        }
        guard weights.indices.contains(place) else { return }
        weights[place] = weights[place].setting("shape", to: .array(shape.map(JSON.int)))
    }

    /// A node of any graph, fed with values that are there.
    private mutating func splice(into g: Int, at n: Int) {
        guard let node = pick(graphs.flatMap(\.nodes)) else { return }
        let values = graphs[g].values(before: n)
        let operands = (node["operands"]?.array ?? []).map { _ in JSON.string(pick(values)?.name ?? "") }
        add(node.setting("operands", to: .array(operands)), g, n)
    }

    /// Adds a node before node `n` under a new name, in place of one of its operands perhaps.
    private mutating func add(_ node: JSON, _ g: Int, _ n: Int) {
        let name = freshName()
        graphs[g].nodes.insert(node.setting("result", to: .string(name)), at: n)
        guard let type = node["type"]?.string,
            let old = pick(graphs[g].values(before: n).filter { $0.type == type })
        else { return }
        redirect(g, from: n + 1, old.name, to: name)
    }

    /// A node that fits a value that is there: legal by itself, for what it does to the values' places.
    private mutating func insert(_ g: Int, _ n: Int) {
        let values = graphs[g].values(before: n).filter { $0.type.hasPrefix("float[") }
        guard let x = pick(values), let comma = x.type.firstIndex(of: ","),
            let columns = Int(x.type[x.type.index(comma, offsetBy: 2)...].dropLast())
        else { return }
        let rows = String(x.type[..<comma])
        func node(_ op: String, _ operands: [String], _ columns: Int, _ attributes: [JSON.Member] = [])
            -> JSON
        {
            .object(
                [.init("op", .string(op)), .init("operands", .array(operands.map(JSON.string)))] + attributes
                    + [.init("type", .string("\(rows), \(columns)]"))])
        }
        let twin = pick(values.filter { $0.type == x.type })?.name ?? x.name
        let half = max(1, columns / 2)
        switch Int.random(in: 0..<11, using: &random) {
        case 0: add(node("activation", [x.name], columns, [.init("function", "silu")]), g, n)
        case 1: add(node("gated_product", [x.name, twin], columns, [.init("function", "gelu")]), g, n)
        case 2: add(node("add", [x.name, twin], columns), g, n)
        case 3: add(node("columns", [x.name], half, [.init("from", 0), .init("to", .int(half))]), g, n)
        case 4:
            add(
                node(
                    "columns", [x.name], columns - half,
                    [.init("from", .int(half)), .init("to", .int(columns))]),
                g, n)
        case 5: add(node("concatenate", [x.name, twin], 2 * columns), g, n)
        case 6:
            let factor = pick([2, 3, 4]) ?? 2
            add(node("merge_rows", [x.name], columns * factor, [.init("factor", .int(factor))]), g, n)
        case 7: add(node("route", [x.name], 4, [.init("chosen", 2)]), g, n)
        case 8:
            let all = pick(["all", "segments", "windows", "causal_layer"]) ?? ""
            let last = graphs[g].values(before: n).last {
                $0.type.hasPrefix("index[2") || $0.type == "index[segments]"
            }
            let heads = pick([1, 2, 4]) ?? 1
            add(
                node(
                    "attention",
                    [x.name, twin, twin] + (all == "all" || all.hasPrefix("c") ? [] : [last?.name ?? ""]),
                    columns,
                    [
                        .init("heads", .int(heads)), .init("key_heads", .int(heads)),
                        .init("head_dimension", .int(columns / heads)),
                        .init(all, all.hasPrefix("c") ? .int(Int.random(in: 0..<5, using: &random)) : true),
                    ]), g, n)
        case 9:
            guard let weight = pick(weights.filter { $0["shape"]?.ints?.count == 2 }) else { return }
            let shape = weight["shape"]?.ints ?? []
            add(
                .pairs([
                    "op": "parameter", "operands": .array([]), "weight": weight["name"] ?? "",
                    "type": .string("float[\(shape[0]), \(shape[1])]"),
                ]), g, n)
        default:
            let weight = weights.first { $0["shape"]?.ints == [columns] }?["name"] ?? ""
            add(node("rms_norm", [x.name], columns, [.init("weight", weight), .init("epsilon", 1e-6)]), g, n)
        }
    }

    /// Layers of the cache or blocks, of some nodes of a graph.
    private mutating func renumber(_ g: Int) {
        let key = pick(["causal_layer", "causal_layer", "block"]) ?? ""
        let places = graphs[g].nodes.indices.filter { graphs[g].nodes[$0][key] != nil }
        for place in places where Int.random(in: 0..<3, using: &random) == 0 {
            let old = graphs[g].nodes[place][key]?.int ?? 0
            graphs[g].nodes[place] = graphs[g].nodes[place].setting(key, to: .int(number(near: old)))
        }
    }
}
