import Storage

/// What the graphs of two bundles do differently, operation by operation.
struct GraphDifference {
    /// Whether the other's recipe adds biases.
    private let addsBiases: Bool
    private(set) var findings: [Finding] = []

    private static let remedy = "convert both from the same checkpoint, or look into its config.json"

    /// Compares the JSON of two models' graphs, both of which were checked.
    init(_ base: JSON, _ other: JSON, addsBiases: Bool) {
        self.addsBiases = addsBiases
        let others = other["graphs"]?.array ?? []
        for graph in base["graphs"]?.array ?? [] {
            let name = graph["name"]?.string ?? ""
            guard let second = others.first(where: { $0["name"] == graph["name"] }) else {
                add("the graph \(name) is not in the other bundle", stage: name)
                continue
            }
            compare(graph, second, name)
        }
    }

    private mutating func add(_ words: String, stage: String, tensor: String? = nil) {
        findings.append(
            Finding(.graph, tensor: tensor, stage: stage, words, remedy: GraphDifference.remedy))
    }

    private mutating func compare(_ base: JSON, _ other: JSON, _ graph: String) {
        let (first, second) = (base["nodes"]?.array ?? [], other["nodes"]?.array ?? [])
        guard first.count == second.count else {
            return add(
                "the graph \(graph) has \(first.count) operations in the base and \(second.count) in the other",
                stage: graph)
        }
        if let index = first.indices.first(where: { first[$0]["op"] != second[$0]["op"] }) {
            // From there on nothing stands in its place: to compare on would list everything.
            let place = first[index]["weight"]?.string ?? "\(graph).\(first[index]["result"]?.string ?? "")"
            let operations = [first[index], second[index]].map { $0["op"]?.string ?? "nothing" }
            return add(
                "the graph \(graph) takes another way from \(place) on: \(operations[0]) in the base, \(operations[1]) in the "
                    + "other", stage: graph, tensor: first[index]["weight"]?.string)
        }
        // One difference in every block is one finding.
        var places: [(stage: String, tensor: String?)] = []
        var changes: [[String]: [Int]] = [:]
        var order: [[String]] = []
        for (node, twin) in zip(first, second) where node != twin {
            for change in differences(node, twin) {
                let key = [node["op"]?.string ?? "", change.attribute, change.base, change.other]
                if changes[key] == nil { order.append(key) }
                changes[key, default: []].append(places.count)
                places.append(("\(graph).\(node["result"]?.string ?? "")", node["weight"]?.string))
            }
        }
        for key in order {
            guard let indices = changes[key], let first = indices.first else { continue }
            let (stage, tensor) = places[first]
            let more = indices.count > 1 ? ", and in \(indices.count - 1) more such operations" : ""
            let of = tensor.map { " of \($0)" } ?? " (\(stage))"
            add(
                "\(key[0])\(of): '\(key[1])' is \(key[2]) in the base and \(key[3]) in the other\(more)",
                stage: stage, tensor: tensor)
        }
    }

    private func differences(
        _ node: JSON, _ twin: JSON
    ) -> [(attribute: String, base: String, other: String)] {
        var keys = (node.members ?? []).map(\.key)
        keys += (twin.members ?? []).map(\.key).filter { !keys.contains($0) }
        return keys.compactMap { key in
            let (first, second) = (node[key], twin[key])
            // Names of values follow from what comes before; a type from the attributes.
            guard first != second, first?.double == nil || first?.double != second?.double,
                !["result", "type"].contains(key), !(addsBiases && key == "bias" && first == nil)
            else { return nil }
            return (key, first?.serialized() ?? "not there", second?.serialized() ?? "not there")
        }
    }
}
