import Glibc
import GraphIR
import Runtime
import Storage

/// Which of two sides a part is run by.
enum Side { case base, other }

/// The parts of both models' graphs, and which of them differ.
struct AttributionModules {
    /// A part, by its graph and its number there.
    struct ID: Hashable {
        let graph: String
        let part: Int
    }

    /// A part that differs between the models.
    struct Module {
        let id: ID
        let name: String
        let block: Int?
        let role: String
        let weightRoles: [String]
    }

    /// Graphs in the order in which they run.
    static let graphs = ["vision", "text", "head"]

    /// By graph.
    let parts: [String: Sides<[GraphPart]>]
    /// In the order in which they run.
    private(set) var modules: [Module] = []
    /// The numbers of parts at which a run may begin: the first of each block, and 0.
    private(set) var starts: [String: [Int]] = [:]

    /// The parts of two models; without pictures, those of the vision graph are left out.
    init(_ base: PartedModel, _ other: PartedModel, hasVisuals: Bool) throws(Failure) {
        var parts: [String: Sides<[GraphPart]>] = [:]
        for name in Self.graphs where hasVisuals || name != "vision" {
            parts[name] = Sides(
                base: try Self.parts(base.graph.graph(name)), other: try Self.parts(other.graph.graph(name)))
        }
        self.parts = parts
        for graph in Self.graphs {
            guard let sides = parts[graph] else { continue }
            var last: Int?
            for (number, part) in sides.base.enumerated() {
                let block = part.block
                if number == 0 || block != nil && block != last { starts[graph, default: []].append(number) }
                last = block
                guard let name = part.moduleName,
                    try !Self.areSame(Sides(base: part, other: sides.other[number]), base, other)
                else { continue }
                // A table that is embedding and head is two modules.
                let isTaken = modules.contains { $0.name == name }
                let own = isTaken ? part.weightRoles.first ?? "\(graph).\(name)" : name
                modules.append(
                    Module(
                        id: ID(graph: graph, part: number), name: own, block: block,
                        role: Self.role(own, block), weightRoles: part.weightRoles))
            }
        }
    }

    private static func parts(_ graph: Graph) throws(Failure) -> [GraphPart] {
        // The head's linears are of one part: nothing of it lies between two values that are kept.
        graph.name == "head" ? [GraphPart(graph)] : StagedGraph(graph).parts
    }

    private static func role(_ name: String, _ block: Int?) -> String {
        guard let block else { return name }
        return name.replacing(".block.\(block).", with: ".", maxReplacements: 1)
    }

    /// Whether a part computes the same in both models, with the same bytes.
    private static func areSame(
        _ part: Sides<GraphPart>, _ base: PartedModel, _ other: PartedModel
    ) throws(Failure) -> Bool {
        guard part.base.nodes == part.other.nodes else { return false }
        for name in part.base.weightNames {
            guard let a = try base.weight(name), let b = try other.weight(name) else { return false }
            guard a.encoding == b.encoding, a.bytes.count == b.bytes.count else { return false }
            if let p = a.bytes.baseAddress, let q = b.bytes.baseAddress, p != q,
                memcmp(p, q, a.bytes.count) != 0
            {
                return false
            }
        }
        return true
    }

    /// The last start at or before a part.
    func start(before id: ID) -> Int { starts[id.graph]?.last { $0 <= id.part } ?? 0 }
}

extension GraphPart {
    /// The uses of weights by its linears and tables.
    private var uses: [Operation.WeightUse] { nodes.compactMap(\.operation.weightUse) }

    /// The number of the transformer block that its linears are in, if any.
    var block: Int? { uses.first?.block }

    /// What its linears and tables are for, each once.
    var weightRoles: [String] {
        var seen: Set<String> = []
        return uses.map(\.role.description).filter { seen.insert($0).inserted }
    }
}
