import Checkpoints
import GraphIR
import Storage

/// The books of a checkpoint while they are being balanced.
struct LedgerBalance {
    /// A stored weight that fills a slot or, if it is one expert's, a part of it.
    private struct Fill {
        let weight: StoredWeight
        let views: [WeightPiece.View]
        let taking: NameTable.Taking
    }

    private let table: NameTable
    private let slots: [WeightSlot]
    private let slotsByName: [String: WeightSlot]
    private let extents: [String: Int]
    private let context: NameTable.Taking.Context
    /// By slot, then by expert; a slot without experts is filled at 0.
    private var fills: [String: [Int: Fill]] = [:]
    var unused: [CoverageLedger.Unused] = []
    var problems: [String] = []
    private(set) var splitCount = 0

    init(_ weights: [StoredWeight], _ table: NameTable, _ graph: ModelGraph, extents: [String: Int]) {
        self.table = table
        slots = graph.weights
        slotsByName = Dictionary(uniqueKeysWithValues: graph.weights.map { ($0.name, $0) })
        self.extents = extents
        context = NameTable.Taking.Context(
            extents: extents, experts: extents["experts"],
            order: LedgerBalance.expertOrder(weights, table, slotsByName, extents))
    }

    /// How fused experts lie: by the first tensor whose shape tells. Only a square one does not.
    private static func expertOrder(
        _ weights: [StoredWeight], _ table: NameTable, _ slots: [String: WeightSlot], _ extents: [String: Int]
    ) -> NameTable.Taking.ExpertOrder? {
        let context = NameTable.Taking.Context(extents: extents, experts: extents["experts"], order: nil)
        for weight in weights where weight.shape.rank == 3 {
            guard let source = table.sources(of: weight.name).first, case .experts = source.taking,
                let slot = slots[source.slot]
            else { continue }
            let fitting = source.taking.offers(slot, published: nil, context).filter {
                $0.shape == weight.shape.extents
            }
            if fitting.count == 1 { return fitting[0].order }
        }
        return nil
    }

    /// Enters a weight under the slots that the table gives it.
    mutating func add(_ weight: StoredWeight, _ sources: [NameTable.Source]) {
        guard !sources.isEmpty else {
            if let reason = table.reasonToLeaveOut(weight.name) {
                unused += weight.sources.map { .init(name: $0, reason: reason) }
            } else if isZeroBias(weight) {
                unused.append(
                    .init(name: weight.name, reason: "a bias of zeros, which the model does not have"))
            } else if NameForms.isRecomputed(weight.name, rank: weight.shape.rank) {
                unused += weight.sources.map {
                    .init(name: $0, reason: "recomputed when a model is loaded, and no weight")
                }
            } else if NameForms.isAdapter(weight.name) {
                problems.append("'\(weight.name)' is of an adapter that was not merged into the model")
            } else {
                problems.append("'\(weight.name)' is not a tensor of this generation")
            }
            return
        }
        splitCount += sources.count > 1 ? weight.sources.count : 0
        for source in sources { add(weight, source) }
    }

    /// Whether a weight is the bias of a known linear that has none, and holds zeros: quantizing tools add such.
    private func isZeroBias(_ weight: StoredWeight) -> Bool {
        guard weight.name.hasSuffix(".bias"), case .plain(let tensor) = weight.form, tensor.type.isFloat,
            !table.sources(of: String(weight.name.dropLast(4)) + "weight").isEmpty
        else { return false }
        return tensor.data.bytes.allSatisfy { $0 == 0 }
    }

    private mutating func add(_ weight: StoredWeight, _ source: NameTable.Source) {
        guard let slot = slotsByName[source.slot],
            source.taking.expert.map({ $0 < context.experts ?? 0 }) ?? true
        else {
            problems.append("'\(weight.name)' is beyond what config.json describes")
            return
        }
        let published = source.shape.map { words in words.compactMap { Int($0) ?? extents[$0] } }
        let offers = source.taking.offers(slot, published: published, context)
        guard let offer = offers.first(where: { $0.shape == weight.shape.extents }) else {
            let shapes = offers.map { "\($0.shape)" }.joined(separator: " or ")
            problems.append("'\(weight.name)' has shape \(weight.shape), not \(shapes)")
            return
        }
        guard weight.type.isFloat else {
            problems.append("'\(weight.name)' holds \(weight.type.rawValue), not floats")
            return
        }
        if case .derived = weight.form, offer.views.contains(where: \.isTransposed) {
            problems.append("'\(weight.name)' is packed, but has to be transposed")
            return
        }
        let shifted = source.shift == 0 ? weight : StoredWeight(weight, plus: source.shift)
        let fill = Fill(weight: shifted, views: offer.views, taking: source.taking)
        if let earlier = fills[slot.name, default: [:]].updateValue(fill, forKey: source.taking.expert ?? 0) {
            problems.append("'\(earlier.weight.name)' and '\(weight.name)' are the same weight")
        }
    }

    /// The entries of all slots, and how many tensors share one.
    mutating func finish() -> (entries: [CoverageLedger.Entry], fused: Int) {
        var entries: [CoverageLedger.Entry] = []
        var fused = 0
        for slot in slots {
            let fills = (fills[slot.name] ?? [:]).sorted { $0.key < $1.key }.map(\.value)
            let pieces = fills.flatMap { fill in
                fill.views.map { WeightPiece(weight: fill.weight, view: $0) }
            }
            let rows = pieces.reduce(0) { $0 + $1.view.count }
            guard let first = fills.first, rows == slot.shape.extents[0] else {
                problems.append(
                    fills.isEmpty
                        ? "nothing fills '\(slot.name)'"
                        : "\(rows) of \(slot.shape.extents[0]) rows of '\(slot.name)' are there")
                continue
            }
            guard fills.allSatisfy({ $0.weight.type == first.weight.type }) else {
                problems.append("the tensors of '\(slot.name)' are of several types")
                continue
            }
            let reshaped =
                first.taking == .whole && first.weight.shape != slot.shape ? "seen as \(slot.shape)" : ""
            entries.append(
                CoverageLedger.Entry(slot: slot, pieces: pieces, note: first.taking.note ?? reshaped))
            if fills.count > 1 { fused += fills.reduce(0) { $0 + $1.weight.sources.count } }
        }
        return (entries, fused)
    }
}
