import Bundles
import GraphIR
import GroupFormats
import Storage

/// What has to be done, whoever does it.
struct Work {
    /// Multiply-adds with weights in codes.
    var integer = 0.0
    /// Multiply-adds with floats: those of attention, too.
    var float = 0.0
    /// Bytes of weights, keys and values that have to be read once.
    var bytes = 0.0

    static func + (a: Work, b: Work) -> Work {
        Work(integer: a.integer + b.integer, float: a.float + b.float, bytes: a.bytes + b.bytes)
    }

    static func += (a: inout Work, b: Work) { a = a + b }

    static func * (count: Double, a: Work) -> Work {
        Work(integer: count * a.integer, float: count * a.float, bytes: count * a.bytes)
    }
}

/// Counts what a model's graphs have to do.
struct WorkCounter {
    private let bundle: Bundle
    private let model: ModelGraph
    /// Bytes of the keys and values of a token in one layer.
    private let cacheBytes: Double
    /// Tokens read at once.
    private let chunk: Int

    /// - Parameters:
    ///   - cacheBytes: of the keys and values of a token in all layers.
    init(_ bundle: Bundle, _ model: ModelGraph, cacheBytes: Double, chunk: Int) throws(Failure) {
        (self.bundle, self.model, self.chunk) = (bundle, model, chunk)
        let layers = try model.graph("text").nodes.count { $0.operation.state != nil }
        self.cacheBytes = cacheBytes / Double(max(1, layers))
    }

    /// Reading `tokens` tokens after `depth` others, by stage, and the logits of the last.
    func reading(_ tokens: Int, after depth: Int) throws(Failure) -> [Stage] {
        var stages = StageSums()
        for start in stride(from: 0, to: tokens, by: chunk) {
            let count = min(chunk, tokens - start)
            try add("text", [.tokens: count, .outputs: 1], depth: Double(depth + start), to: &stages)
        }
        try add("head", [.outputs: 1], depth: 0, to: &stages)
        return stages.all
    }

    /// Writing `tokens` tokens after `depth` others: one after the other, each seeing those before it.
    func writing(_ tokens: Int, after depth: Int) throws(Failure) -> Work {
        var stages = StageSums()
        // The work grows evenly with the tokens before.
        let middle = Double(depth) + Double(tokens - 1) / 2
        try add("text", [.tokens: 1, .outputs: 1], depth: middle, to: &stages)
        try add("head", [.outputs: 1], depth: 0, to: &stages)
        return Double(tokens) * stages.total
    }

    /// Encoding a picture.
    func encoding(patches: Int) throws(Failure) -> [Stage] {
        var stages = StageSums()
        try add("vision", [.patches: patches, .segments: 2], depth: 0, to: &stages)
        return stages.all
    }

    /// A part of a graph as far as it can be timed, and what it has to do.
    struct Stage {
        let name: String
        var work = Work()

        /// The stage that a value is computed in: the number of the block is not told apart.
        static func name(of value: String) -> String {
            value.split(separator: ".").map { Int($0) == nil ? String($0) : "*" }.joined(separator: ".")
        }
    }

    private struct StageSums {
        private(set) var all: [Stage] = []

        var total: Work { all.reduce(Work()) { $0 + $1.work } }

        mutating func add(_ work: Work, _ name: String) {
            guard work.integer + work.float + work.bytes > 0 else { return }
            guard let place = all.firstIndex(where: { $0.name == name }) else {
                return all.append(Stage(name: name, work: work))
            }
            all[place].work += work
        }
    }

    /// A node's work belongs to the first named value from it on: that is when a run says how far it is.
    private func add(
        _ name: String, _ sizes: [Symbol: Int], depth: Double, to stages: inout StageSums
    ) throws(Failure) {
        let graph = try model.graph(name)
        var pending = Work()
        var side = 0
        for node in graph.nodes {
            if case .windows(let windows) = node.operation { side = windows.side }
            pending += work(node, graph, sizes, depth: depth, side: side)
            guard graph[node.result].isNamed else { continue }
            stages.add(pending, Stage.name(of: graph[node.result].name))
            pending = Work()
        }
        stages.add(pending, "rest")
    }

    private func work(
        _ node: Graph.Node, _ graph: Graph, _ sizes: [Symbol: Int], depth: Double, side: Int
    ) -> Work {
        func rows(_ value: Graph.ValueID) -> Double {
            switch graph[value].type.extents.first {
            case .fixed(let count)?: Double(count)
            case .symbol(let symbol, let divisor)?: Double((sizes[symbol] ?? 0) / divisor)
            case nil: 0
            }
        }
        let count = rows(node.result)
        switch node.operation {
        case .linear(let linear): return product(linear.use.weight, rows: count)
        case .expertLinear(let linear):
            let each = count * Double(linear.chosen) / Double(linear.experts)
            return product(linear.use.weight, rows: each, read: min(1, each))
        case .embedding(let embedding):
            guard let table = bundle[embedding.use.weight], let all = table.shape.extents.first else {
                return Work()
            }
            return Work(bytes: count * Double(table.byteCount) / Double(all))
        case .parameter, .positionTable:
            let bytes = node.operation.weightNames.compactMap { bundle[$0]?.byteCount }.reduce(0, +)
            return Work(bytes: Double(bytes))
        case .attention(let attention):
            let seen: Double
            var bytes = 0.0
            switch attention.extent {
            case .causal:
                seen = count * depth + count * (count + 1) / 2
                bytes = cacheBytes * (depth + count)
            case .segments: seen = count * count / Double(max(1, (sizes[.segments] ?? 2) - 1))
            case .windows: seen = count * min(count, Double(side * side))
            case .all: seen = count * rows(node.operands[1])
            }
            return Work(float: 2 * seen * Double(attention.heads * attention.headDimension), bytes: bytes)
        default: return Work()
        }
    }

    /// - Parameter read: the part of the weight that is read.
    private func product(_ name: String, rows: Double, read: Double = 1) -> Work {
        guard let weight = bundle[name] else { return Work() }
        let products = rows * Double(weight.shape.count)
        let bytes = read * Double(weight.byteCount)
        if case .float = weight.encoding { return Work(float: products, bytes: bytes) }
        return Work(integer: products, bytes: bytes)
    }
}
