import Bundles
import Storage

/// Tensors that only one of two bundles has, or that have another shape there.
struct UnpairedTensors {
    private(set) var findings: [Finding] = []

    /// Beyond so many they are only counted: the bundles are of two models.
    private static let most = 10
    private static let remedy = "compare two bundles of one model"

    /// - Parameter addsBiases: whether a recipe gave the other biases that the base lacks.
    init(_ base: [TensorDescription], _ other: [TensorDescription], addsBiases: Bool) {
        let twins = Dictionary(other.map { ($0.name, $0.shape) }) { first, _ in first }
        let names = Set(base.map(\.name))
        for tensor in base {
            guard let twin = twins[tensor.name] else {
                add(.missing, tensor.name, "is not in the other bundle")
                continue
            }
            guard twin != tensor.shape else { continue }
            add(.shape, tensor.name, "is \(tensor.shape) in the base and \(twin) in the other")
        }
        for tensor in other where !names.contains(tensor.name) {
            if addsBiases, tensor.shape.rank == 1, tensor.name.hasSuffix("bias") { continue }
            add(.missing, tensor.name, "is not in the base")
        }
        guard findings.count > UnpairedTensors.most else { return }
        let more = findings.count - UnpairedTensors.most
        findings.removeLast(more)
        findings.append(
            Finding(
                .missing, "\(more) more weights are only in one bundle, or have another shape there",
                remedy: UnpairedTensors.remedy))
    }

    private mutating func add(_ kind: Finding.Kind, _ name: String, _ words: String) {
        findings.append(
            Finding(kind, tensor: name, "\(name) \(words)", remedy: UnpairedTensors.remedy))
    }
}
