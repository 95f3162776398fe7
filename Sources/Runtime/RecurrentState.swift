import CKernels
import GraphIR
import Storage

/// The states of a sequence whose size does not depend on its length: what convolutions and delta rules keep.
///
/// A token cannot be taken back from them: whoever wants to come back to a place keeps all of them as they were there.
final class RecurrentState {
    /// All states by layer and kind.
    private let numbers: UnsafeMutableBufferPointer<Float>
    private let starts: [(id: LayerState.ID, first: Int)]
    private let memory: AnonymousMemory

    /// States of zeros for the operations of `part`.
    /// - Throws: `badInput` when two share a state, `limit` when memory has no room for them.
    init(_ part: GraphPart) throws(Failure) {
        var (starts, end): ([(id: LayerState.ID, first: Int)], Int) = ([], 0)
        for (id, floats) in RecurrentState.sizes(part) {
            guard starts.last?.id != id else {
                throw .badInput(
                    "two operations share the state of layer \(id.layer)", at: "graph '\(part.graph.name)'")
            }
            starts.append((id, end))
            end += floats
        }
        memory = try AnonymousMemory(4 * end)
        numbers = UnsafeMutableBufferPointer(
            start: memory.base.assumingMemoryBound(to: Float.self), count: end)
        self.starts = starts
    }

    private static func sizes(_ part: GraphPart) -> [(id: LayerState.ID, floats: Int)] {
        part.nodes.compactMap(\.operation.state).compactMap { state in state.floats.map { (state.id, $0) } }
            .sorted { $0.id < $1.id }
    }

    /// Bytes of the states of a part's operations.
    static func byteCount(_ part: GraphPart) -> Int { 4 * sizes(part).reduce(0) { $0 + $1.floats } }

    /// Whether there is none.
    var isEmpty: Bool { starts.isEmpty }

    /// The bytes of all states, by layer and kind.
    var bytes: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(numbers) }

    /// Where a state's numbers are.
    func floats(_ id: LayerState.ID) -> UnsafeMutablePointer<Float>? {
        guard let start = starts.first(where: { $0.id == id })?.first else { return nil }
        return numbers.baseAddress.map { $0 + start }
    }

    /// All numbers as they are.
    var values: [Float] { Array(numbers) }

    /// Puts back what `values` gave; without it all is as at the beginning.
    func restore(_ values: [Float]?) {
        if let values { _ = numbers.update(from: values) } else { numbers.update(repeating: 0) }
    }

    /// The first layer whose state is not finite; nil when all are.
    var firstNonFinite: Int? {
        for (number, start) in starts.enumerated() {
            let end = number + 1 < starts.count ? starts[number + 1].first : numbers.count
            if !numbers[start.first..<end].allSatisfy(\.isFinite) { return start.id.layer }
        }
        return nil
    }
}

extension LayerState {
    /// The numbers of a state whose size does not depend on the tokens that there are; nil for keys and values.
    var floats: Int? {
        switch self {
        case .keysAndValues: nil
        case .convolution(_, let rows, let channels): rows * channels
        case .deltaRule(_, let heads, let keyDimension, let valueDimension):
            heads * tsr_delta_blocks(valueDimension) * keyDimension * TSR_DELTA_COLUMNS
        }
    }
}
