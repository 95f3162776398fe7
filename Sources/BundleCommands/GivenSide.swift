public import Bundles
import Checkpoints
import CommandSupport
public import Generations
import GraphIR
import Quantization
public import Storage

/// What a user gives as one side of a comparison.
public enum GivenSide {
    /// A bundle's path.
    case bundle(String)
    /// A checkpoint's folder, or the text part of a model in GGUF, or a folder with both its parts.
    case checkpoint(String)

    /// Tells by what is there; what is not there is no checkpoint.
    public init(_ path: String) {
        let isCheckpoint = Path.isDirectory(path) || GGUFModel.isGiven(path, weights: nil)
        self = isCheckpoint ? .checkpoint(path) : .bundle(path)
    }

    /// The files that it may be read from, none of which is ever to be written.
    public var files: [String] {
        get throws(Failure) {
            switch self {
            case .bundle(let path): return [path]
            case .checkpoint(let path):
                guard Path.isDirectory(path) else { return [path] }
                return try Path.list(path).map { Path.join(path, $0) }
            }
        }
    }

    /// Opens the bundle, or makes one of the checkpoint, which has no name and goes when it is no longer mapped.
    /// - Parameters:
    ///   - options: how a checkpoint is read.
    ///   - threads: how many work.
    /// - Throws: `io` when there is no room for the bundle, and whatever opening or converting throws.
    public func open(_ options: ImportOptions, threads: Int) throws(Failure) -> Bundle {
        switch self {
        case .bundle(let path): return try Bundle(path)
        case .checkpoint(let path):
            return try ImportedModel(given: path, options).temporaryBundle(called: path, threads: threads)
        }
    }
}

extension ImportedModel {
    /// Reads what a side was given as, and says what there is to be said of it.
    init(given path: String, _ options: ImportOptions) throws(Failure) {
        var options = options
        // The option is for the side that has such a part.
        if !GGUFModel.isGiven(path, weights: options.weights) { options.mmproj = nil }
        self = try .ofAnyGeneration(path, options)
        for warning in warnings { Console.warn("\(path): \(warning)") }
        for note in notes { Console.log("\(path): \(note)") }
    }

    /// The bundle that the generation's command makes of it, weights as they are, in a file without a name.
    /// - Parameter name: what the bundle is called in messages.
    func temporaryBundle(called name: String, threads: Int) throws(Failure) -> Bundle {
        let plan = try QuantizationPlan(.keep, self.plan.graph, self.plan.weights)
        Console.log("\(name): converting it, weights as they are, into \(plan.nameless)")
        return try bundle(plan, called: name, threads: threads)
    }

    /// The bundle that a plan of its weights makes of it.
    /// - Parameters:
    ///   - place: where it is to stay; nil for a file without a name.
    ///   - name: what the bundle is called in messages.
    func bundle(
        _ plan: QuantizationPlan, at place: OutputPath? = nil, called name: String, threads: Int
    ) throws(Failure) -> Bundle {
        let weights = CheckpointWeights(self)
        let digests = try Conversion.digests(of: files, threads: threads)
        let metadata = plan.entered(in: self.metadata(sources: digests, recipe: plan.recipe.json))
        let writer: BundleWriter
        do {
            let sources = files.map(\.identity)
            writer =
                if let place {
                    try BundleWriter(
                        place, fingerprint: .pairs(["graph": self.plan.graph.json, "metadata": metadata]),
                        plan: plan.descriptions, sources: sources)
                } else {
                    try BundleWriter(temporary: plan.descriptions, sources: sources)
                }
        } catch {
            guard error.kind == .io else { throw error }
            let room = ByteCount.text(plan.byteCount)
            throw Failure(
                .io, error.message, file: error.file, at: error.place,
                remedy: place == nil
                    ? "set TMPDIR to a folder with \(room) of room" : "\(room) of room are needed")
        }
        let progress = Progress(total: weights.weights.reduce(0) { $0 + $1.shape.count * $1.type.width })
        try Quantizer(plan, threads: threads).run(weights, into: writer) { (event) throws(Failure) in
            if case .panel(let tensor, let done, _) = event { progress.show(done, tensor) }
        }
        progress.finish()
        try writer.finish(graph: self.plan.graph.json, metadata: metadata, tokenizer: tokenizer)
        guard let place else { return try writer.bundle(called: name) }
        return try Bundle(place.path)
    }
}

extension QuantizationPlan {
    /// A file without a name that it fills, for messages.
    var nameless: String {
        "a bundle of \(ByteCount.text(byteCount)) without a name in \(TemporaryFile.directory)"
    }
}
