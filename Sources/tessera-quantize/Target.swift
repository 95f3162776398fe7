import ArgumentParser
import Bundles
import Calibration
import CommandSupport
import GraphIR
import GroupFormats
import Prompts
import Quantization
import Runtime
import Storage

/// How large the result may be: the allocation's budget.
struct TargetOptions: ParsableArguments {
    @Option(
        help:
            "Bits a weight, on average over the file: formats are then chosen by what each weight does to the answers.",
        transform: number(1...64))
    var bits: Double?

    @Option(help: "The file's size at most, such as 3GiB; formats are chosen as with --bits.")
    var fit: ByteCount?

    @Option(
        help:
            "The memory at most that running takes, mapped weights included; formats are chosen as with --bits."
    )
    var fitMemory: ByteCount?

    @Option(
        name: [.customLong("ctx"), .customLong("ctx-size")],
        help: "Tokens of a whole conversation, for --fit-memory.", transform: whole(Allowed.context))
    var context: Int = 4096

    @Option(help: "The largest picture, such as 1280x960, for --fit-memory.")
    var image: PixelSize?

    mutating func validate() throws {
        guard [bits != nil, fit != nil, fitMemory != nil].count(where: { $0 }) <= 1 else {
            throw ValidationError("give one of --bits, --fit and --fit-memory")
        }
    }

    /// The budget that is asked for, by these options or else by the recipe; nil for none.
    func target(_ recipe: Recipe) -> Target? {
        if let bits = bits ?? (fit == nil && fitMemory == nil ? recipe.targetBits : nil) {
            return .bits(bits)
        }
        if let fit { return .file(fit.bytes) }
        return fitMemory.map { .memory($0.bytes, context: context, image: image) }
    }
}

/// A budget.
enum Target: CustomStringConvertible {
    case bits(Double)
    case file(Int)
    case memory(Int, context: Int, image: PixelSize?)

    var description: String {
        switch self {
        case .bits(let bits): "\(bits) bits a weight"
        case .file(let bytes): "a file of \(ByteCount.text(bytes))"
        case .memory(let bytes, let context, let image):
            "\(ByteCount.text(bytes)) of memory with \(context) tokens"
                + (image.map { " and pictures of \($0.width)x\($0.height)" } ?? "")
        }
    }

    /// The recipe that spends the budget best.
    /// - Parameter base: decides about the weights whose sensitivity is not known.
    func recipe(
        _ base: Recipe, _ graph: ModelGraph, _ bundle: Bundle, _ sensitivities: Sensitivities
    ) throws(Failure) -> BudgetedRecipe {
        let (bytes, describe) = try budget(bundle, graph)
        return try BudgetedRecipe(
            base, summary: "Formats by sensitivity: \(self).", graph, bundle, sensitivities, budget: bytes,
            describe: describe)
    }

    /// Bytes for all weights, and how a number of such bytes is put to the user.
    private func budget(
        _ bundle: Bundle, _ graph: ModelGraph
    ) throws(Failure) -> (weights: Int, describe: (Int) -> String) {
        switch self {
        case .bits(let bits):
            let values = Double(bundle.tensors.reduce(0) { $0 + $1.shape.count })
            return (
                Int(bits / 8 * values),
                { bytes in "\(fixedPoint(Double(bytes) * 8 / values)) bits a weight" }
            )
        case .file(let limit):
            let other = try sections(bundle)
            return (limit - other, { bytes in ByteCount.text(bytes + other) })
        case .memory(let limit, let context, let image):
            let other = try sections(bundle) + memory(bundle, graph, context: context, image: image)
            return (limit - other, { bytes in "\(ByteCount.text(bytes + other)) of memory" })
        }
    }

    /// What a bundle has beside its weights: graph, metadata and tokenizer of the source, and some room.
    private func sections(_ bundle: Bundle) throws(Failure) -> Int {
        let weights = try BundleWriter.byteCount(upToWeights: bundle.tensors.map(\.description))
        return try MappedFile(bundle.path).bytes.count - weights + (1 << 16)
    }

    /// What running takes beside the mapped file.
    private func memory(
        _ bundle: Bundle, _ graph: ModelGraph, context: Int, image: PixelSize?
    ) throws(Failure) -> Int {
        // Smaller groups have more scales: no allocation's activations take more than these.
        guard let finest = GroupFormat.all.min(by: { $0.groupSize < $1.groupSize }) else { return 0 }
        let all = Recipe("finest", rules: [], fallback: .groups(finest, .nearest))
        let tensors = try QuantizationPlan(all, graph, try BundleWeights(bundle).weights).descriptions
        let settings = try PromptSettings(json: try bundle.metadata["prompt"] ?? .null)
        let picture = try image.map { (size) throws(Failure) in
            try settings.images.plan(ImageSize(width: size.width, height: size.height))
        }
        return try MemoryEstimate(
            planning: graph, tensors, Engine.Options(), capacity: context, patches: picture?.patches ?? 0,
            segments: picture?.grid.t ?? 1
        ).anonymous
    }
}

private func fixedPoint(_ value: Double) -> String { fixed((value * 100).rounded(.up) / 100, 2) }
