import ArgumentParser
import Bundles
import Calibration
import CommandSupport
import GraphIR
import GroupFormats
import Quantization
import Storage

/// How large the result may be: the allocation's budget.
struct TargetOptions: ParsableArguments {
    @Option(
        help:
            "Bits a weight, on average over the file: formats are then chosen by what each weight does to the answers."
    )
    var bits: Double?

    @Option(help: "The file's size at most, such as 3GiB; formats are chosen as with --bits.")
    var fit: ByteCount?

    mutating func validate() throws {
        guard bits == nil || fit == nil else { throw ValidationError("give one of --bits and --fit") }
        guard (bits ?? 8) > 0 else { throw ValidationError("--bits must be above 0") }
    }

    /// Whether there is a budget.
    var isGiven: Bool { bits != nil || fit != nil }

    /// The recipe that spends the budget best.
    func recipe(
        _ base: Recipe, _ graph: ModelGraph, _ bundle: Bundle, _ calibration: CalibrationFile, threads: Int
    ) throws(Failure) -> Recipe {
        let source = try BundleWeights(bundle)
        let candidates = try Sensitivities(graph, bundle, calibration, threads: threads).candidates(formats)
        let names = Set(candidates.map(\.weight))
        // What is left to the recipe takes what the recipe makes of it.
        let rest = try QuantizationPlan(base, graph, source.weights)
        let fixed = rest.items.filter { !names.contains($0.weight.name) }.reduce(0) {
            $0 + $1.description.byteCount
        }
        let values = rest.items.reduce(0) { $0 + $1.weight.shape.count }
        let (budget, describe) = try budget(bundle, rest, fixed: fixed, values: values)
        let allocation = try Allocation(candidates, budget: budget, describe: describe)
        return allocation.recipe(
            base.name, summary: "Formats by sensitivity: \(text).", solver: .refit, rest: base)
    }

    private var text: String {
        bits.map { "\($0) bits a weight" } ?? fit.map { "a file of \(ByteCount.text($0.bytes))" } ?? ""
    }

    private var formats: [GroupFormat] { GroupFormat.all.filter { $0.bits == .four || $0.groupSize < 128 } }

    /// Bytes for the weights that formats are chosen for, and how a number of such bytes is put to the user.
    private func budget(
        _ bundle: Bundle, _ plan: QuantizationPlan, fixed: Int, values: Int
    ) throws(Failure) -> (Int, (Int) -> String) {
        if let bits {
            return (
                Int(bits / 8 * Double(values)) - fixed,
                { bytes in "\(fixedPoint(Double(bytes + fixed) * 8 / Double(values))) bits a weight" }
            )
        }
        // Beside the weights a bundle has its graph, its metadata, its tokenizer: those of the source, and some room.
        let weights = try BundleWriter.byteCount(upToWeights: bundle.tensors.map(\.description))
        let other = try MappedFile(bundle.path).bytes.count - weights + (1 << 16)
        return (
            (fit?.bytes ?? 0) - fixed - other,
            { bytes in ByteCount.text(bytes + fixed + other) }
        )
    }
}

private func fixedPoint(_ value: Double) -> String { fixed((value * 100).rounded(.up) / 100, 2) }
