public import Accuracy
public import Bundles
import CommandSupport
public import Generations
import GraphIR
import Quantization
public import Storage
import Threads

/// A bundle against the checkpoint that it was made of: every tensor made anew by the bundle's own recipe.
///
/// Memory is that of a panel of rows. Tensors whose bytes depend on more than the checkpoint, as calibration does, are compared
/// with the checkpoint's as two bundles' weights are; only for these a bundle of the checkpoint is made, without a name.
public struct BundleVerification {
    /// Tensors whose bytes are those that the recipe makes of the checkpoint.
    public private(set) var same = 0
    /// Tensors that cannot be made anew, and are as near to the checkpoint's as their formats let expect.
    public private(set) var withinFormat = 0
    /// Tensors that a recipe's steps changed together, so that nothing can be said of any alone.
    public private(set) var notJudged = 0
    /// Tensors that are not as they should be.
    public private(set) var different = 0
    /// What is not as it should be, worst first.
    public private(set) var findings: [Finding] = []

    /// Reads both.
    /// - Parameters:
    ///   - checkpoint: the checkpoint's folder, or a model in GGUF.
    ///   - options: how it is read: as it was for the conversion.
    ///   - threads: how many work.
    /// - Throws: `badInput` when either cannot be read, or the bundle's recipe cannot.
    public init(
        _ checkpoint: String, _ options: ImportOptions, _ bundle: Bundle, threads: Int
    ) throws(Failure) {
        let model = try ImportedModel(given: checkpoint, options)
        let metadata = try bundle.metadata
        let provenance = metadata["provenance"] ?? .object([])
        let recipe: Recipe
        do { recipe = try Recipe(json: provenance["recipe"] ?? .null) } catch {
            throw error.located(in: bundle.path)
        }
        let source = CheckpointWeights(model)
        let isCalibrated = provenance["calibration"] != nil
        let plan = try QuantizationPlan(
            recipe, model.plan.graph, source.weights, solver: .best(calibrated: isCalibrated))
        let rewrites = !recipe.steps.subtracting([.correctBiases]).isEmpty
        let (anew, others) = plan.items.indices.split {
            !rewrites && !plan.items[$0].needsInputs(calibrated: isCalibrated)
        }
        let quantizer = try Quantizer(plan, threads: threads)
        findings = try remake(anew, quantizer, plan, source, bundle)
        if others.isEmpty {
            let setup = ModelSetup(
                tensors: plan.descriptions, graph: model.plan.graph.json,
                metadata: model.metadata(sources: [], recipe: .null), tokenizer: model.tokenizer)
            findings += setup.findings(against: try ModelSetup(bundle))
        } else {
            let base = try model.temporaryBundle(called: checkpoint, threads: threads)
            try compare(base, bundle, only: Set(others.map { plan.items[$0].weight.name }), threads: threads)
        }
        findings += try BundleVerification.carried(by: bundle, of: model)
        findings = Finding.worstFirst(findings)
    }

    /// Sections that the checkpoint has otherwise, or not at all.
    private static func carried(by bundle: Bundle, of model: ImportedModel) throws(Failure) -> [Finding] {
        var found: [Finding] = []
        for section in bundle.carried where section.code == CarriedSection.draftingCode {
            let own = try? CarriedSection.drafting(of: model)
            if try own?.storedDigest() != section.storedDigest() {
                found.append(.carriesOthers(section.code))
            }
        }
        return found
    }

    /// Makes tensors anew; what differs, worst first.
    private mutating func remake(
        _ indices: [Int], _ quantizer: Quantizer, _ plan: QuantizationPlan, _ source: CheckpointWeights,
        _ bundle: Bundle
    ) throws(Failure) -> [Finding] {
        var found: [Finding] = []
        let progress = Progress(total: 0)
        for (number, index) in indices.enumerated() {
            let planned = plan.items[index].description
            progress.show("tensor \(number + 1) of \(indices.count)")
            // One that is not there, or has another shape, is found with the rest of what is not values.
            guard let tensor = bundle[planned.name], tensor.shape == planned.shape else {
                different += 1
                continue
            }
            guard tensor.encoding == planned.encoding else {
                different += 1
                found.append(.stored(tensor, insteadOf: planned))
                continue
            }
            let mapped = bundle.bytes(of: tensor)
            let remade = try quantizer.remake(index, source, beside: mapped.bytes)
            mapped.file.advise(mapped.range, .dontNeed)
            if let first = remade.firstDifferent {
                different += 1
                found.append(.differs(tensor, remade, first))
            } else {
                same += 1
            }
        }
        progress.finish()
        return found.enumerated().sorted {
            let (left, right) = ($0.element.figure ?? .infinity, $1.element.figure ?? .infinity)
            return left != right ? left > right : $0.offset < $1.offset
        }.map(\.element)
    }

    /// Compares tensors that cannot be made anew as the weights of two bundles are.
    private mutating func compare(
        _ base: Bundle, _ bundle: Bundle, only names: Set<String>, threads: Int
    ) throws(Failure) {
        let progress = Progress(total: 0)
        let comparison = try WeightComparison(base: base, other: bundle, ThreadPool(threads: threads)) {
            (done, total) throws(Failure) in progress.show("weight \(done + 1) of \(total)")
        }
        progress.finish()
        let found = comparison.findings.filter { finding in
            finding.isOfSetup || finding.tensor.map(names.contains) ?? true
        }
        let named = Set(found.compactMap(\.tensor))
        for tensor in comparison.tensors where names.contains(tensor.name) {
            if named.contains(tensor.name) {
                different += 1
            } else if tensor.isRewritten {
                notJudged += 1
            } else {
                withinFormat += 1
            }
        }
        findings += found
    }

    /// In a sentence or two.
    public var verdict: String {
        var counts = ["\(same) tensors have the bytes that the recipe makes of the checkpoint"]
        if withinFormat > 0 {
            counts.append(
                "\(withinFormat) need the calibration file to be made anew and are as near as their formats let expect"
            )
        }
        if notJudged > 0 { counts.append("\(notJudged) were changed together by the recipe and not judged") }
        if different > 0 {
            counts.append(
                different == 1 ? "1 is not as it should be" : "\(different) are not as they should be")
        }
        let all = counts.joined(separator: ", ")
        guard let first = findings.first else { return "The bundle is as converted: \(all)." }
        let more = findings.count - 1
        return "\(first.words)" + (more > 0 ? "; \(more) more finding\(more > 1 ? "s" : "")" : "")
            + ". In all, \(all)."
    }
}

extension Finding {
    /// Whether it is about operations, settings, or which tensors there are, not about values.
    fileprivate var isOfSetup: Bool { [.missing, .shape, .graph, .promptSettings].contains(kind) }

    private static let remedy =
        "convert it again, or give the checkpoint, options and program version that it was made with"

    fileprivate static func stored(
        _ tensor: TensorEntry, insteadOf planned: TensorDescription
    ) -> Finding {
        Finding(
            .notAsConverted, tensor: tensor.name,
            "\(tensor.name) is stored as \(tensor.encoding), where the recipe makes \(planned.encoding) of it",
            remedy: remedy)
    }

    fileprivate static func carriesOthers(_ code: String) -> Finding {
        Finding(
            .notAsConverted, "section \(code) does not hold what the checkpoint has", remedy: remedy)
    }

    fileprivate static func differs(
        _ tensor: TensorEntry, _ remade: RemadeTensor, _ first: Int
    ) -> Finding {
        Finding(
            .notAsConverted, tensor: tensor.name, figure: remade.error, expected: 0,
            "\(tensor.name) is not what the recipe makes of the checkpoint: \(remade.differentBytes) of its "
                + "\(tensor.byteCount) bytes \(remade.differentBytes == 1 ? "differs" : "differ"), the first at \(first)",
            remedy: remedy)
    }
}

extension Collection {
    /// Those that are as asked, and the others, each in order.
    fileprivate func split(_ isFirst: (Element) -> Bool) -> (first: [Element], second: [Element]) {
        (filter(isFirst), filter { !isFirst($0) })
    }
}
