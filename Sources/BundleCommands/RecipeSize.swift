import Bundles
import CommandSupport
public import Generations
import GraphIR
import Quantization
public import Storage

/// What a recipe would make of a model's weights.
public struct RecipeSize {
    /// Its name.
    public let recipe: String
    /// Of the bundle, up to the end of its weights.
    public let byteCount: Int
    /// Bits a weight.
    public let effectiveBits: Double

    private init(_ plan: QuantizationPlan) throws(Failure) {
        recipe = plan.recipe.name
        byteCount = try BundleWriter.byteCount(upToWeights: plan.descriptions)
        effectiveBits = plan.effectiveBits
    }

    /// Of every recipe that has a name, and of the chosen one; the largest first.
    static func all(
        _ graph: ModelGraph, _ weights: [SourceWeight], chosen: QuantizationPlan?
    ) throws(Failure) -> [RecipeSize] {
        var recipes = [Recipe.keep]
        for name in Recipe.names { recipes.append(try Recipe(named: name)) }
        var sizes: [RecipeSize] = []
        // A recipe with a target takes what it is told to, and asks for a calibration file to say of what.
        for recipe in recipes where recipe.name != chosen?.recipe.name && recipe.targetBits == nil {
            sizes.append(try RecipeSize(try QuantizationPlan(recipe, graph, weights)))
        }
        if let chosen { sizes.append(try RecipeSize(chosen)) }
        return sizes.sorted { $0.effectiveBits > $1.effectiveBits }
    }

    /// Of a checkpoint's bundle by every recipe that has a name.
    public static func all(of plan: CheckpointPlan) throws(Failure) -> [RecipeSize] {
        try all(plan.graph, plan.weights, chosen: nil)
    }

    /// For people.
    public static func table(_ sizes: [RecipeSize]) -> String {
        var table = Table("recipe", "bundle", "bytes", "bits a weight")
        for size in sizes {
            table.add(
                size.recipe, ByteCount.text(size.byteCount), "\(size.byteCount)", fixed(size.effectiveBits, 2)
            )
        }
        return table.text
    }

    /// For programs.
    public var json: JSON {
        .pairs([
            "name": .string(recipe), "bundle_bytes": .int(byteCount),
            "effective_bits": .double(effectiveBits),
        ])
    }
}
