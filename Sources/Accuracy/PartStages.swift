import GraphIR
import Runtime
import SampleSets
import Storage

/// What a part of a graph gave for one sample: the values that have names of their own, and what it hands on.
struct PartValues {
    /// By name.
    private(set) var named: [String: [Float]] = [:]
    /// In the order of the part's results.
    private(set) var results: [[Float]] = []

    /// Runs a part.
    init(_ runner: PartRunner, _ extents: Extents, _ inputs: [PlanInput]) throws(Failure) {
        let shown = Shown()
        results = try runner(
            extents, inputs, observer: { name, values, _ in shown.values[name] = Array(values) }
        ) { results in results.map { Array($0) } }
        named = shown.values
    }

    private final class Shown { var values: [String: [Float]] = [:] }

    /// Keeps what the part handed on.
    func append(to carried: inout CarriedValues) throws(Failure) {
        try carried.append(results)
    }
}

/// The stages of a part, and their errors over the samples so far.
struct PartStages {
    private enum Source {
        case named(String)
        case result(Int)
    }

    private struct Stage {
        let name: String
        let source: Source
        let columns: Int
        var errors: StageAccumulator
    }

    private var stages: [Stage] = []

    /// Values with names of their own are stages; so is what a norm hands on, and, where a part has no such value, what its linears
    /// make.
    init(_ part: GraphPart, graph name: String) {
        guard let module = part.moduleName else { return }
        let hasNamed = part.nodes.contains { part.graph[$0.result].isNamed }
        var weights: [String] = []
        var isSum = false
        for node in part.nodes {
            let value = part.graph[node.result]
            let own = node.operation.weightNames
            weights += own
            if case .add = node.operation { isSum = true }
            guard let columns = value.type.columns else { continue }
            if value.isNamed {
                add("\(name).\(value.name)", .named(value.name), columns, module, weights, isSum)
            } else if let index = part.results.firstIndex(of: node.result) {
                if let first = own.first {
                    add(GraphPart.stem(first), .result(index), columns, GraphPart.stem(first), weights, isSum)
                } else if !hasNamed {
                    add(module, .result(index), columns, module, weights, isSum)
                }
            }
        }
    }

    private mutating func add(
        _ name: String, _ source: Source, _ columns: Int, _ module: String, _ weights: [String],
        _ isSum: Bool
    ) {
        guard !stages.contains(where: { $0.name == name }) else { return }
        stages.append(
            Stage(
                name: name, source: source, columns: columns,
                errors: .init(module: module, weights: weights, isSum: isSum)))
    }

    /// Adds a sample.
    mutating func add(
        sample: Int, base: PartValues, other: PartValues, alone: PartValues, isVisual: (Int) -> Bool
    ) {
        for index in stages.indices {
            guard let a = values(stages[index], base), let b = values(stages[index], other),
                let c = values(stages[index], alone), a.count == b.count, a.count == c.count
            else { continue }
            let columns = stages[index].columns
            a.withUnsafeBufferPointer { a in
                b.withUnsafeBufferPointer { b in
                    c.withUnsafeBufferPointer { c in
                        stages[index].errors.add(
                            sample: sample, base: a, other: b, own: c, columns: columns, isVisual: isVisual)
                    }
                }
            }
        }
    }

    private func values(_ stage: Stage, _ part: PartValues) -> [Float]? {
        switch stage.source {
        case .named(let name): part.named[name]
        case .result(let index): part.results.indices.contains(index) ? part.results[index] : nil
        }
    }

    /// In order; a value that was never shown is none.
    func finish() -> [StageDifference] {
        stages.filter { !$0.errors.isEmpty }.map { $0.errors.finish($0.name) }
    }
}
