public import Checkpoints
import GraphIR
import Storage

/// Rows of a slot as they lie in a stored weight.
public struct WeightPiece: Sendable {
    /// How rows of the slot are found in the stored weight, seen as a matrix of its last extent's columns.
    public enum View: Equatable, Sendable {
        /// They are these rows.
        case rows(Range<Int>)
        /// They are these columns, of `pitch`, of the block of rows that begins at `firstRow`.
        case columns(Range<Int>, firstRow: Int, pitch: Int)

        var isTransposed: Bool { if case .columns = self { true } else { false } }

        /// How many rows of the slot it gives.
        public var count: Int {
            switch self {
            case .rows(let range), .columns(let range, _, _): range.count
            }
        }
    }

    /// What holds them.
    public let weight: StoredWeight
    /// Where they are in it.
    public let view: View

    /// Some of the rows that it gives.
    public subscript(rows: Range<Int>) -> WeightPiece {
        func shifted(_ all: Range<Int>) -> Range<Int> {
            all.lowerBound + rows.lowerBound..<all.lowerBound + rows.upperBound
        }
        switch view {
        case .rows(let all): return WeightPiece(weight: weight, view: .rows(shifted(all)))
        case .columns(let all, let firstRow, let pitch):
            return WeightPiece(
                weight: weight, view: .columns(shifted(all), firstRow: firstRow, pitch: pitch))
        }
    }
}

extension NameTable.Taking {
    /// How fused experts lie in their tensors.
    enum ExpertOrder: Equatable {
        /// [experts, K, N], to be multiplied from the right.
        case inputsFirst
        /// [experts, N, K].
        case outputsFirst
    }

    /// What the words of a configuration and the checkpoint as a whole say about shapes.
    struct Context {
        let extents: [String: Int]
        let experts: Int?
        let order: ExpertOrder?
    }

    /// The shapes that the stored weight may have, and the views that it then offers of `slot`.
    /// - Parameter published: the shape that the table states.
    func offers(
        _ slot: WeightSlot, published: [Int]?, _ context: Context
    ) -> [(shape: [Int], order: ExpertOrder?, views: [WeightPiece.View])] {
        let extents = slot.shape.extents
        let (rows, rest) = (extents[0], Array(extents.dropFirst()))
        switch self {
        case .whole:
            return [(published ?? extents, nil, [.rows(0..<rows)])]
        case .part(let part, let count):
            return [([rows * count] + rest, nil, [.rows(part * rows..<(part + 1) * rows)])]
        case .interleaved(let heads, let parts):
            let heads = context.extents[heads] ?? 1
            let width = rows / (heads * parts)
            let views = (0..<parts).flatMap { part in
                (0..<heads).map { head in
                    let first = (head * parts + part) * width
                    return WeightPiece.View.rows(first..<first + width)
                }
            }
            return [(extents, nil, views)]
        case .interleavedPart(let heads, let part, let count):
            let heads = context.extents[heads] ?? 1
            let width = rows / heads
            let views = (0..<heads).map { head in
                let first = (head * count + part) * width
                return WeightPiece.View.rows(first..<first + width)
            }
            return [([rows * count] + rest, nil, views)]
        case .transposed:
            return [(rest + [rows], nil, [.columns(0..<rows, firstRow: 0, pitch: rows)])]
        case .experts(let part, let count):
            guard let experts = context.experts, let columns = rest.first else { return [] }
            let each = rows / experts
            let outputs = (0..<experts).map { expert in
                let first = (expert * count + part) * each
                return WeightPiece.View.rows(first..<first + each)
            }
            let inputs = (0..<experts).map { expert in
                WeightPiece.View.columns(
                    part * each..<(part + 1) * each, firstRow: expert * columns, pitch: count * each)
            }
            return [
                ([experts, count * each, columns], .outputsFirst, outputs),
                ([experts, columns, count * each], .inputsFirst, inputs),
            ].filter { context.order == nil || $0.1 == context.order }
        case .expert:
            guard let experts = context.experts else { return [] }
            return [([rows / experts] + rest, nil, [.rows(0..<rows / experts)])]
        }
    }

    /// The expert whose part of the slot this is.
    var expert: Int? { if case .expert(let number) = self { number } else { nil } }

    /// What is done, for people to read; nil when nothing is.
    var note: String? {
        switch self {
        case .whole: nil
        case .part(let part, let count): "part \(part + 1) of \(count) of the rows"
        case .interleaved: "rows of a head gathered by part"
        case .interleavedPart(_, let part, let count): "part \(part + 1) of \(count) of the rows of each head"
        case .transposed: "transposed"
        case .experts(0, of: 1), .expert: "experts one below the other"
        case .experts(let part, let count): "part \(part + 1) of \(count) of each expert, one below the other"
        }
    }
}
