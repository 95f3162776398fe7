import Checkpoints
import Storage

/// What a recipe should make of a published tensor, told from its name and shape alone.
///
/// Written from `formats/bundle.md`, `formats/recipe.md` and the models' own code, not from the converters.
enum ExpectedSizes {
    enum Recipe: String, CaseIterable {
        case keep, int8, int4
    }

    /// The bundle of a model's tensors, up to the end of its weights: a page, and tensors at multiples of 64.
    static func bundle(_ weights: [StoredWeight], _ recipe: Recipe) -> Int {
        let isHybrid = weights.contains { $0.name.contains(".linear_attn.") }
        return weights.filter { !$0.name.hasPrefix("mtp.") }.reduce(4096) { sum, weight in
            sum
                + matrices(weight, isHybrid).reduce(0) {
                    $0 + padded(isHybrid && isDifference(weight) ? 4 * $1[0] : bytes(weight, $1, recipe))
                }
        }
    }

    /// Whether a hybrid's vector is what a norm's weight differs from 1 by, and becomes that weight in float32.
    private static func isDifference(_ weight: StoredWeight) -> Bool {
        weight.shape.rank == 1 && weight.name.contains("language_model.")
            && weight.name.hasSuffix("norm.weight")
            && !weight.name.contains("linear_attn.")
    }

    /// Bytes of the bundle's tensor of `extents` that comes from `weight`.
    private static func bytes(_ weight: StoredWeight, _ extents: [Int], _ recipe: Recipe) -> Int {
        guard let bits = bits(weight, recipe) else { return 2 * extents.reduce(1, *) }
        return groupBytes(rows: extents[0], columns: extents[1], bits: bits)
    }

    /// Tiles of 16 rows: two floats a row, two bytes a row and group of 32 columns, then the codes.
    private static func groupBytes(rows: Int, columns: Int, bits: Int) -> Int {
        let groups = (columns + 31) / 32
        let tile = 16 * 8 + padded(16 * 2 * groups) + groups * 16 * 32 * bits / 8
        return (rows + 15) / 16 * tile
    }

    private static func padded(_ bytes: Int) -> Int { (bytes + 63) / 64 * 64 }

    /// The tensors of the bundle that a published one becomes, as rows and columns.
    private static func matrices(_ weight: StoredWeight, _ isHybrid: Bool) -> [[Int]] {
        let extents = weight.shape.extents
        // A hybrid's experts are stored outputs first, and queries alternate with gates.
        if isHybrid, extents.count == 3, weight.name.contains("experts.") {
            let count = weight.name.hasSuffix("gate_up_proj") ? 2 : 1
            return Array(repeating: [extents[0] * extents[1] / count, extents[2]], count: count)
        }
        if isHybrid, weight.name.hasSuffix("self_attn.q_proj.weight") {
            return Array(repeating: [extents[0] / 2, extents[1]], count: 2)
        }
        // Experts are stored inputs first, gate and up side by side.
        if weight.name.hasSuffix("gate_up_proj") {
            return Array(repeating: [extents[0] * extents[2] / 2, extents[1]], count: 2)
        }
        if weight.name.hasSuffix("experts.down_proj") { return [[extents[0] * extents[2], extents[1]]] }
        if weight.name.contains("attn_pool.attn.in_proj") {
            return Array(repeating: [extents[0] / 3] + extents.dropFirst(), count: 3)
        }
        return extents.count <= 2 ? [extents] : [[extents[0], extents.dropFirst().reduce(1, *)]]
    }

    /// Bits of the codes; nil for what is kept.
    private static func bits(_ weight: StoredWeight, _ recipe: Recipe) -> Int? {
        let name = weight.name
        let isTable = ["positional_embedding", "pos_embed.weight", "attn_pool.query", "attn_pool.pos_embed"]
            .contains { name.hasSuffix($0) }
        let isRouter = name.hasSuffix("mlp.gate.weight") || name.hasSuffix("shared_expert_gate.weight")
        let isConvolution = name.hasSuffix("conv1d.weight")
        guard recipe != .keep, weight.shape.rank > 1, !isTable, !isRouter, !isConvolution else { return nil }
        let isDecoder =
            name.contains("model.layers.") || name.contains("language_model.layers.")
            || name.hasPrefix("transformer.h.")
        guard recipe == .int4, isDecoder else { return 8 }
        if name.hasSuffix("in_proj_a.weight") || name.hasSuffix("in_proj_b.weight") { return 8 }
        return name.hasSuffix("in_proj_qkv.weight") || name.hasSuffix("linear_attn.out_proj.weight") ? 6 : 4
    }
}
