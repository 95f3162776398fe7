public import Bundles
public import Checkpoints
import CommandSupport
import Generations
import Quantization
public import Storage

extension CheckpointManifest {
    /// A bundle of this model's shapes with random weights, made by a recipe as a conversion makes one: streamed, in memory that
    /// does not grow with the model.
    /// - Parameters:
    ///   - recipe: a recipe's name or file.
    ///   - place: where the bundle is to stay; nil for a file without a name, which goes when it is no longer mapped.
    /// - Throws: `limit` when a bundle without a name would not fit into memory, `io` when the disk has no room for it, `usage`
    ///   when the recipe needs to be calibrated, and whatever reading the manifest throws.
    public func randomBundle(
        recipe: String, at place: OutputPath?, threads: Int
    ) throws(Failure) -> Bundle {
        let model = try ImportedModel.random(self)
        let recipe = try Recipe(named: recipe, for: model.plan.graph)
        guard recipe.targetBits == nil else { throw Self.uncalibrated(recipe) }
        let plan = try QuantizationPlan(recipe, model.plan.graph, model.plan.weights)
        guard !plan.items.contains(where: { $0.solution?.solver.isCalibrated == true }) else {
            throw Self.uncalibrated(recipe)
        }
        if place == nil {
            try Machine.checkMemory(
                for: "a random \(name) by the recipe '\(recipe.name)'", plan.byteCount,
                remedy:
                    "--random-layers makes a shorter one; --keep makes it all the same, to be read from disk"
            )
        }
        let into = place.map { "\($0.path), a bundle of \(ByteCount.text(plan.byteCount))" } ?? plan.nameless
        Console.log("random \(name): making it by the recipe '\(recipe.name)' into \(into)")
        return try model.bundle(plan, at: place, called: "random \(name)", threads: threads)
    }

    private static func uncalibrated(_ recipe: Recipe) -> Failure {
        Failure(
            .usage, "the recipe '\(recipe.name)' needs a calibration, which random weights do not have",
            remedy: "use int4 or int8")
    }
}
