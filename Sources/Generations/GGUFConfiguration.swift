import Checkpoints
import Prompts
import Storage

/// The configuration of a model in GGUF in the words of config.json.
struct GGUFConfiguration {
    /// The whole of it.
    let json: JSON
    /// The vision blocks whose features the decoder takes.
    let features: [Int]
    /// The blocks of the text part that only draft tokens.
    let drafts: Range<Int>
    /// What the user should know.
    let warnings: [String]

    /// Makes it of the metadata of both parts and of the shapes of tensors.
    /// - Throws: `badInput` naming the file and the metadata that is missing or impossible, or that does not fit the other file.
    init(
        _ model: GGUFTable.Model, _ text: SettingsReader, _ vision: SettingsReader, _ files: GGUFModel,
        _ tokenizer: ListedTokenizer?
    ) throws(Failure) {
        let part = TextPart(settings: text, prefix: model.architecture + ".", files: files.text)
        let tower = VisionPart(settings: vision, file: files.vision)
        features = try tower.features()
        let hybrid = model.isHybrid ? try GGUFHybrid(text, prefix: part.prefix) : nil
        drafts = hybrid?.drafts ?? 0..<0
        try tower.check(model.flags)
        try tower.check(against: part, features: features.count)
        warnings =
            model.published.map {
                "GGUF files do not say '\($0.key)': \($0.value.serialized()) was taken, as published"
            } + tower.warnings()
        var members: [JSON.Member] = [
            .init("model_type", .string(model.modelType)),
            .init("tie_word_embeddings", .bool(part.tensor("output.weight") == nil)),
            .init("text_config", .object(try part.config(model) + (hybrid?.members ?? []))),
            .init("vision_config", .object(try tower.config(model, features))),
        ]
        for (key, token) in [("image_token_id", "<|image_pad|>"), ("video_token_id", "<|video_pad|>")] {
            guard let tokenizer else { continue }
            guard let id = tokenizer.id(of: token) else {
                throw .badInput(
                    "lists no token '\(token)'", file: text.file, at: "metadata 'tokenizer.ggml.tokens'")
            }
            members.append(.init(key, .int(id)))
        }
        json = .object(members)
    }
}

extension SettingsReader {
    /// Metadata that has to be there.
    func metadata(_ key: String) throws(Failure) -> JSON {
        guard let value = stated(key) else { throw .badInput("lacks the metadata '\(key)'", file: file) }
        return value
    }
}

/// What the text part says.
private struct TextPart {
    let settings: SettingsReader
    /// The architecture and a dot.
    let prefix: String
    let files: [GGUFFile]

    func tensor(_ name: String) -> GGUFTensor? {
        files.lazy.compactMap { $0.tensors.first { $0.name == name } }.first
    }

    func config(_ model: GGUFTable.Model) throws(Failure) -> [JSON.Member] {
        var members = model.textConfig
        for (key, name) in model.text {
            members.append(.init(name, try settings.metadata(prefix + key)))
        }
        guard let embedding = tensor("token_embd.weight"), embedding.shape.rank == 2 else {
            throw .badInput("holds no table of tokens, 'token_embd.weight'", file: settings.file)
        }
        members.append(.init("vocab_size", .int(embedding.shape.extents[0])))
        if let head = try headWidth(rotatesAll: !model.isHybrid) {
            members.append(.init("head_dim", .int(head)))
        }
        let rope: JSON = .pairs([
            "rope_type": "default", "mrope_section": .array(try sections().map(JSON.int)),
        ])
        return members + [.init("rope_scaling", rope)]
    }

    /// The columns of a head of queries, keys and values alike, if they are said.
    /// - Parameter rotatesAll: whether all of them are rotated.
    private func headWidth(rotatesAll: Bool) throws(Failure) -> Int? {
        let length = settings.stated(prefix + "attention.key_length")
        let heads = try settings.int(prefix + "attention.head_count")
        let implied = try settings.int(prefix + "embedding_length") / heads
        for key in ["attention.value_length"] + (rotatesAll ? ["rope.dimension_count"] : []) {
            guard let other = settings.stated(prefix + key), other != length ?? .int(implied) else {
                continue
            }
            throw .badInput(
                "has '\(prefix + key)' \(other.serialized()) where heads have \((length ?? .int(implied)).serialized()) columns",
                file: settings.file)
        }
        guard let length else { return nil }
        guard let width = length.int else { throw settings.invalid(prefix + "attention.key_length", length) }
        return width
    }

    /// The shares of the three axes of positions; llama.cpp has room for a fourth.
    private func sections() throws(Failure) -> [Int] {
        let key = prefix + "rope.dimension_sections"
        let value = try settings.metadata(key)
        guard let sections = value.ints, sections.count >= 3, sections.dropFirst(3).allSatisfy({ $0 == 0 })
        else {
            throw settings.invalid(key, value)
        }
        return Array(sections.prefix(3))
    }
}

/// What the vision part says.
private struct VisionPart {
    let settings: SettingsReader
    let file: GGUFFile

    private static let prefix = "clip.vision."

    private func tensor(_ name: String) throws(Failure) -> GGUFTensor {
        guard let tensor = file.tensors.first(where: { $0.name == name }), tensor.shape.rank > 1 else {
            throw .badInput("holds no tensor '\(name)' of several rows", file: settings.file)
        }
        return tensor
    }

    func config(_ model: GGUFTable.Model, _ features: [Int]) throws(Failure) -> [JSON.Member] {
        var members: [JSON.Member] = []
        for (key, name) in model.vision {
            members.append(.init(name, try settings.metadata(Self.prefix + key)))
        }
        if let merge = settings.stated(Self.prefix + "spatial_merge_size") {
            members.append(.init("spatial_merge_size", merge))
        }
        members += model.visionConfig.filter { fixed in !members.contains { $0.key == fixed.key } }
        members += model.published
        switch model.modelType {
        case "qwen2_vl": members.append(.init("mlp_ratio", .int(try networkRatio())))
        case "qwen2_5_vl":
            let blocks = try fullBlocks(members)
            members.append(.init("fullatt_block_indexes", .array(blocks.map(JSON.int))))
        default:
            let positions = try tensor("v.position_embd.weight").shape.extents[0]
            members.append(.init("num_position_embeddings", .int(positions)))
            members.append(.init("deepstack_visual_indexes", .array(features.map(JSON.int))))
        }
        return members
    }

    /// The network's width over the tower's. The converter writes the width of the decoder as the network's.
    private func networkRatio() throws(Failure) -> Int {
        let width = try settings.int(Self.prefix + "embedding_length")
        let names = ["v.blk.0.ffn_up.weight", "v.blk.0.ffn_down.weight"]
        let rows = try names.map { (name) throws(Failure) in try tensor(name).shape.extents }
        let inner = rows.first { $0[1] == width }?[0] ?? 0
        guard inner > 0, inner % width == 0 else {
            throw .badInput(
                "has a network of shape \(rows[0]), which is no multiple of the \(width) columns of the tower",
                file: settings.file, at: "tensor '\(names[0])'")
        }
        return inner / width
    }

    /// The blocks that attend to whole pictures: the last of every so many.
    private func fullBlocks(_ members: [JSON.Member]) throws(Failure) -> [Int] {
        let key = Self.prefix + "n_wa_pattern"
        let value = try settings.metadata(key)
        let depth = members.first { $0.key == "depth" }?.value.int ?? 0
        guard let every = value.int, (1...4096).contains(every), (1...4096).contains(depth) else {
            throw settings.invalid(key, value)
        }
        return (0..<depth).filter { ($0 + 1) % every == 0 }
    }

    /// The blocks whose features the decoder takes.
    func features() throws(Failure) -> [Int] {
        let key = Self.prefix + "is_deepstack_layers"
        guard let value = settings.stated(key) else { return [] }
        let flags = (value.array ?? []).compactMap(\.bool)
        guard flags.count == value.array?.count else { throw settings.invalid(key, value) }
        return flags.indices.filter { flags[$0] }
    }

    /// Refuses flags that say something else than the model.
    func check(_ flags: [JSON.Member]) throws(Failure) {
        for flag in flags {
            guard let stated = settings.stated(flag.key), stated != flag.value else { continue }
            throw .badInput(
                "has '\(flag.key)' \(stated.serialized()), where only \(flag.value.serialized()) is supported",
                file: settings.file)
        }
    }

    /// Refuses the vision part of another model.
    func check(against text: TextPart, features: Int) throws(Failure) {
        let output = try settings.int(Self.prefix + "projection_dim")
        let width = try text.settings.int(text.prefix + "embedding_length")
        let other = Path.name(text.settings.file)
        guard output == width else {
            throw .badInput(
                "is the vision part of another model: it gives rows of \(output) columns ('clip.vision.projection_dim'), "
                    + "and \(other) takes \(width) ('\(text.prefix)embedding_length')", file: settings.file)
        }
        guard let taken = text.settings.stated(text.prefix + "n_deepstack_layers"), taken != .int(features)
        else {
            return
        }
        throw .badInput(
            "is the vision part of another model: it gives features of \(features) blocks ('clip.vision.is_deepstack_layers'), "
                + "and \(other) takes \(taken.serialized()) ('\(text.prefix)n_deepstack_layers')",
            file: settings.file)
    }

    /// What is said and not obeyed.
    func warnings() -> [String] {
        let key = Self.prefix + "attention.layer_norm_epsilon"
        guard let epsilon = settings.stated(key), epsilon.double != 1e-6 else { return [] }
        return [
            "\(Path.name(settings.file)): '\(key)' is \(epsilon.serialized()), which llama.cpp's converter copies from the text "
                + "part; the towers are computed with 1e-6, as the reference does"
        ]
    }
}
