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
        weights.reduce(4096) { sum, weight in
            sum + matrices(weight).reduce(0) { $0 + padded(bytes(weight, $1, recipe)) }
        }
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
    private static func matrices(_ weight: StoredWeight) -> [[Int]] {
        let extents = weight.shape.extents
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
        let isRouter = name.hasSuffix("mlp.gate.weight")
        guard recipe != .keep, weight.shape.rank > 1, !isTable, !isRouter else { return nil }
        let isDecoder =
            name.contains("model.layers.") || name.contains("language_model.layers.")
            || name.hasPrefix("transformer.h.")
        return recipe == .int4 && isDecoder ? 4 : 8
    }
}
