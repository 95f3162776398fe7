public import Bundles
public import Prompts
public import Runtime
public import Storage

/// A bundle opened to be talked to: the engine that runs it, and what it takes to make prompts for it.
///
///     let model = try Model("qwen2-vl-2b-int4.tessera")
///     let session = try Session(model, capacity: 4096)
///     let picture = try model.picture("photo.jpg")
///     let answer = try session.answer([.image(picture), .text("What is written on the sign?")]) { print($0, terminator: "") }
public final class Model {
    /// The file, mapped.
    public let bundle: Bundle
    /// What runs it.
    public let engine: Engine
    /// How prompts are made for it.
    public let prompt: PromptSettings
    /// Nil for a bundle made of a checkpoint without one: such a model takes token ids only.
    public let tokenizer: Tokenizer?
    /// The checkpoint's own way of choosing tokens.
    public let sampling: Sampler.Settings
    /// Positions that the model was made for.
    public let contextLimit: Int
    /// Decodes pictures, up to a size.
    public let decoder: ImageDecoder
    /// Keeps what sessions made of pictures and videos.
    public var features = FeatureCache()

    /// Maps the bundle at `path`.
    /// - Throws: `io` when it cannot be opened, `badInput` when it is not a bundle that this version runs.
    public convenience init(
        _ path: String, _ options: Engine.Options = Engine.Options(), decoder: ImageDecoder = ImageDecoder()
    ) throws(Failure) {
        try self.init(try Bundle(path), options, decoder: decoder)
    }

    /// The same of a bundle that is open.
    /// - Throws: `badInput` when it is not one that this version runs.
    public init(
        _ bundle: Bundle, _ options: Engine.Options = Engine.Options(), decoder: ImageDecoder = ImageDecoder()
    ) throws(Failure) {
        let path = bundle.path
        self.bundle = bundle
        engine = try Engine(bundle, options)
        self.decoder = decoder
        do throws(Failure) {
            let settings = try ModelSettings(metadata: try bundle.metadata)
            (prompt, sampling, contextLimit) = (settings.prompt, settings.sampling, settings.contextLimit)
            let section = try bundle.tokenizer
            tokenizer =
                section.isEmpty
                ? nil : try section.withBytes { (bytes) throws(Failure) in try Tokenizer(serialized: bytes) }
        } catch { throw error.located(in: path) }
        guard engine.visualRows == prompt.images.visualRows, engine.patchWidth == prompt.images.rowLength,
            prompt.positions.axes == engine.positionAxes
        else {
            throw .badInput(
                "the prompt settings and the graphs disagree about patches or positions", file: path)
        }
        let tokens = prompt.stopTokens + [prompt.imageToken] + (prompt.videoToken.map { [$0] } ?? [])
        if let wrong = tokens.first(where: { Int($0) >= engine.vocabulary }) {
            throw .badInput(
                "token \(wrong) is not among the \(engine.vocabulary) of the model", file: path, at: "prompt")
        }
    }

    /// The same model with an engine of its own, to be run beside this one.
    public func twin(_ options: Engine.Options) throws(Failure) -> Model {
        Model(self, try Engine(bundle, options))
    }

    private init(_ model: Model, _ engine: Engine) {
        (bundle, self.engine, decoder) = (model.bundle, engine, model.decoder)
        (prompt, tokenizer, sampling) = (model.prompt, model.tokenizer, model.sampling)
        contextLimit = model.contextLimit
    }

    /// The tokens of a conversation unless somebody says how many: a few thousand, where the model was made for them.
    public var defaultCapacity: Int { min(4096, contextLimit) }

    /// The memory that a conversation of `capacity` tokens with these pictures and videos will take; they need no values.
    /// - Parameters:
    ///   - draft: of the answers.
    ///   - options: how it is run; the engine's own unless given.
    /// - Throws: `usage` for a capacity below 1, `limit` on overflow.
    public func estimateMemory(
        for visuals: [PreparedPrompt.Visual], capacity: Int, draft: Session.Draft = .none,
        _ options: Engine.Options? = nil
    ) throws(Failure) -> MemoryEstimate {
        let grids = visuals.map(\.patches.grid).sorted { ($0.patches ?? 0, $0.t) > ($1.patches ?? 0, $1.t) }
        return try engine.estimateMemory(
            capacity: capacity, patches: grids.first?.patches ?? 0, segments: grids.map(\.t).max() ?? 1,
            others: grids.dropFirst().map { $0.patches ?? 0 },
            outputs: draft == .none ? 1 : 1 + PromptLookup.longest, mapped: bundle.file.bytes.count, options)
    }

    /// Decodes a picture's file (``ImageDecoder``) and cuts it into patches.
    public func picture(_ path: String) throws(Failure) -> Patches {
        let file = try MappedFile(path)
        defer { withExtendedLifetime(file) {} }
        return try picture(file.bytes, name: path)
    }

    /// The same of such a file in memory; `name` stands for it in errors.
    public func picture(_ bytes: UnsafeRawBufferPointer, name: String) throws(Failure) -> Patches {
        let picture = try decoder.decode(bytes, name: name, prompt.images.reading)
        do { return try prompt.images.patches(picture) } catch { throw error.located(in: name) }
    }

    /// Encodes one picture or video into the rows that stand for it in the prompt.
    public func encode(_ patches: Patches, observer: Observer? = nil) throws(Failure) -> Engine.Rows {
        guard let count = patches.grid.patches, patches.values.count == count * engine.patchWidth else {
            throw .badInput(
                "a grid of \(patches.grid.t)×\(patches.grid.h)×\(patches.grid.w) does not fit \(patches.values.count) values"
            )
        }
        let coordinates = PatchCoordinates([patches.grid], mergeSize: prompt.images.mergeSize)
        return try engine.encode(
            patches: patches.values, coordinates: coordinates.values, segments: coordinates.segments,
            observer: observer)
    }

    /// The tokenizer, for those who need one.
    public func requireTokenizer() throws(Failure) -> Tokenizer {
        guard let tokenizer else {
            throw .badInput("has no tokenizer, so it takes no text", file: bundle.path)
        }
        return tokenizer
    }
}

extension ImagePreprocessor {
    /// What the vision tower must make of a picture's patches.
    fileprivate var visualRows: Engine.VisualRows {
        fixedTokens.map(Engine.VisualRows.fixed) ?? .every(mergeSize * mergeSize)
    }
}
