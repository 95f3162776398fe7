import Checkpoints
import Formats
import Prompts
import Storage

/// A model in GGUF: a text part and a vision part, both with metadata.
struct GGUFSource: ModelSource {
    private let files: GGUFModel
    private let table: GGUFTable
    private let model: GGUFTable.Model
    /// The metadata of the parts, without long lists and what is about the files.
    private let text, vision: SettingsReader
    private let list: ListedTokenizer?
    private let made: GGUFConfiguration

    /// What begins so is about a file, not the model.
    private static let about = ["general.", "split.", "quantize."]
    private static let sampling = "general.sampling."
    /// Elements of the longest list that is a setting; those of tokens are longer.
    private static let longestList = 512
    /// In bytes, as of a file.
    private static let longestTemplate = 16 << 20

    /// Opens the files and reads their metadata.
    /// - Parameters:
    ///   - path: the text part, or the folder of both.
    ///   - weights: the text part, where the folder holds several.
    ///   - mmproj: the vision part, where it does not lie beside the text part.
    /// - Throws: `badInput` when they are no such model, or not of one.
    init(_ path: String, weights: String?, mmproj: String?) throws(Failure) {
        files = try GGUFModel(path, weights: weights, mmproj: mmproj)
        table = try GGUFTable()
        model = try table.model(files)
        text = try Self.settings(files.text[0], but: Self.sampling)
        // The converter copies to this part, too, how tokens are to be chosen.
        vision = try Self.settings(files.vision, but: nil)
        do { list = try Self.tokens(files.text[0]) } catch {
            throw error.located(in: files.text[0].file.path)
        }
        // The table has looked at them.
        for key in ["clip.projector_type", "clip.vision.projector_type"] { _ = vision.stated(key) }
        made = try GGUFConfiguration(model, text, vision, files, list)
    }

    /// - Parameter exception: what begins so is no mere description of the file.
    private static func settings(_ file: GGUFFile, but exception: String?) throws(Failure) -> SettingsReader {
        let all = try file.settings(listsUpTo: longestList).members ?? []
        let kept = all.filter { member in
            exception.map(member.key.hasPrefix) ?? false || !about.contains { member.key.hasPrefix($0) }
        }
        return SettingsReader(.object(kept), file: file.file.path)
    }

    private static func tokens(_ file: GGUFFile) throws(Failure) -> ListedTokenizer? {
        guard let tokens = try file.texts("tokenizer.ggml.tokens") else { return nil }
        guard let types = try file.integers("tokenizer.ggml.token_type"),
            let merges = try file.texts("tokenizer.ggml.merges")
        else {
            throw .badInput("lists tokens without 'tokenizer.ggml.token_type' and 'tokenizer.ggml.merges'")
        }
        return try ListedTokenizer(tokens: tokens, types: types, merges: merges)
    }

    var origin: String { text.file }

    var warnings: [String] { made.warnings }

    func configuration() throws(Failure) -> (json: JSON, file: String) { (made.json, text.file) }

    func weights(_ config: SettingsReader) throws(Failure) -> (Checkpoint, StoredWeights) {
        let isSwapped = hasSwappedNetworks
        let (tensors, drafting) = try parted()
        for factors in tensors where factors.name == "rope_freqs.weight" { try Self.checkOnes(factors) }
        let weights = try table.weights(
            of: tensors, model, features: made.features, heads: try valueHeads(config)
        ) { name in
            guard isSwapped, name.hasPrefix("v.blk.") else { return name }
            if name.contains(".ffn_up.") { return name.replacing(".ffn_up.", with: ".ffn_down.") }
            return name.replacing(".ffn_down.", with: ".ffn_up.")
        }
        // Whatever multiplies by 1 + w as it is published multiplies by what is stored here.
        return (
            try Checkpoint(files), StoredWeights(weights, unneeded: drafting, hasWholeNorms: true)
        )
    }

    /// The tensors of the model, and those of blocks that only draft tokens, and what they are.
    private func parted() throws(Failure) -> ([GGUFTensor], drafting: [(name: String, reason: String)]) {
        var (tensors, drafting): ([GGUFTensor], [(name: String, reason: String)]) = ([], [])
        for tensor in files.files.flatMap(\.tensors) {
            let words = tensor.name.split(separator: ".", maxSplits: 2)
            if words.first == "blk", words.count == 3, Int(words[1]).map(made.drafts.contains) == true {
                drafting.append((tensor.name, "of a block that drafts tokens, which is not run"))
            } else {
                tensors.append(tensor)
            }
        }
        return (tensors, drafting)
    }

    /// The heads of values of a delta rule; nil where they are in the order in which they are published.
    private func valueHeads(_ config: SettingsReader) throws(Failure) -> ValueHeads? {
        guard model.isHybrid, let text = config.object("text_config") else { return nil }
        let heads = try text.int("linear_num_value_heads")
        let keys = try text.int("linear_num_key_heads")
        guard keys != heads, heads % keys == 0 else { return nil }
        return ValueHeads(count: heads, keys: keys, width: try text.int("linear_value_head_dim"))
    }

    /// Whether the two linears of the tower's networks are named the wrong way round, as llama.cpp's first converter for
    /// Qwen2-VL did: the second then takes what the tower is wide.
    private var hasSwappedNetworks: Bool {
        let width = vision.json["clip.vision.embedding_length"]?.int
        func takes(_ name: String) -> Bool {
            files.vision.tensors.first { $0.name == name }?.shape.extents.last == width
        }
        return takes("v.blk.0.ffn_down.weight") && !takes("v.blk.0.ffn_up.weight")
    }

    /// Factors of the rotary positions may be there as long as they change nothing.
    private static func checkOnes(_ tensor: GGUFTensor) throws(Failure) {
        let isOnes = (0..<tensor.data.count / 4).allSatisfy {
            tensor.data.bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) == 1
        }
        guard tensor.type.plain == .float32, isOnes else {
            throw .badInput(
                "scales rotary positions, which is not supported", file: tensor.data.file.path,
                at: "tensor '\(tensor.name)'")
        }
    }

    func generationSettings() throws(Failure) -> SettingsReader? {
        var members: [JSON.Member] = []
        for (key, name) in [
            ("temp", "temperature"), ("top_k", "top_k"), ("top_p", "top_p"), ("min_p", "min_p"),
        ] {
            if let value = text.stated(Self.sampling + key) { members.append(.init(name, value)) }
        }
        // Whether to choose at random is not said: who writes down how does, but for a temperature of 0.
        if let first = members.first {
            members.append(.init("do_sample", .bool(first.key != "temperature" || first.value.double != 0)))
        }
        if let penalty = text.stated(Self.sampling + "penalty_repeat") {
            members.append(.init("repetition_penalty", penalty))
        }
        let ends = try endTokens()
        if !ends.isEmpty { members.append(.init("eos_token_id", .array(ends.map(JSON.int)))) }
        return SettingsReader(.object(members), file: text.file)
    }

    /// The tokens that end an answer: those that are named, and those that llama.cpp takes for such by their text.
    private func endTokens() throws(Failure) -> [Int] {
        var ends: [Int] = []
        for key in ["eos", "eot", "eom"] {
            let name = "tokenizer.ggml.\(key)_token_id"
            guard let value = text.stated(name) else { continue }
            guard let id = value.int else { throw text.invalid(name, value) }
            ends.append(id)
        }
        ends += ["<|im_end|>", "<|endoftext|>"].compactMap { list?.id(of: $0) }
        return ends.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }

    func template() throws(Failure) -> PublishedTemplate {
        var tokens: [String: String] = [:]
        // The published tokenizers have no beginning of a text, whatever the metadata name.
        for (key, name) in [("eos", "eos_token"), ("padding", "pad_token")] {
            guard let id = text.json["tokenizer.ggml.\(key)_token_id"]?.int, let list,
                list.tokens.indices.contains(id)
            else { continue }
            tokens[name] = list.tokens[id]
        }
        _ = text.stated("tokenizer.chat_template")
        let program = try files.text[0].program("tokenizer.chat_template")
        if let program, program.utf8.count > Self.longestTemplate {
            throw .badInput(
                "has \(program.utf8.count) bytes", file: text.file, at: "metadata 'tokenizer.chat_template'")
        }
        return PublishedTemplate(program: program.map { (text.file, $0) }, tokens: tokens)
    }

    func processors() throws(Failure) -> ProcessorFiles {
        var members: [JSON.Member] = []
        for (key, name) in [
            ("image_mean", "image_mean"), ("image_std", "image_std"), ("patch_size", "patch_size"),
            ("spatial_merge_size", "merge_size"), ("image_min_pixels", "min_pixels"),
            ("image_max_pixels", "max_pixels"),
        ] {
            if let value = vision.stated("clip.vision." + key) { members.append(.init(name, value)) }
        }
        return ProcessorFiles(stated: SettingsReader(.object(members), file: vision.file))
    }

    var withoutProcessors: String {
        vision.json["clip.vision.image_max_pixels"] == nil
            ? "GGUF files do not say how large pictures may be"
            : "GGUF files hold no processor's settings but some"
    }

    func tokenizer(_ ledger: inout SettingsLedger) throws(Failure) -> (tokenizer: Tokenizer, end: Int?)? {
        guard let list else { return nil }
        _ = try word("model", of: ["gpt2"])
        let rules = ListedTokenizer.WordRule.allCases
        let rule = rules[try word("pre", of: rules.map(\.rawValue))]
        do {
            return (try Tokenizer(list, rule), text.json["tokenizer.ggml.eos_token_id"]?.int)
        } catch { throw error.located(in: text.file) }
    }

    /// Which of `known` a setting of the tokenizer is.
    private func word(_ key: String, of known: [String]) throws(Failure) -> Int {
        let name = "tokenizer.ggml.\(key)"
        let value = try text.metadata(name)
        guard let place = value.string.flatMap({ known.firstIndex(of: $0) }) else {
            let words = known.map { "\"\($0)\"" }.joined(separator: " and ")
            throw .badInput(
                "has '\(name)' \(value.serialized()); only \(words) \(known.count == 1 ? "is" : "are") supported",
                file: text.file)
        }
        return place
    }

    func enter(
        generation: SettingsReader?, _ config: SettingsReader, in ledger: inout SettingsLedger
    ) throws(Failure) {
        // They are metadata of the text part, which is entered as a whole.
    }

    func enter(
        _ config: SettingsReader, unproven: Set<String>, in ledger: inout SettingsLedger
    ) throws(Failure) {
        ledger.enterAssumed(of: config, unproven: unproven)
        try ledger.enter(text, Formats.ggufSettings)
        try ledger.enter(vision, Formats.ggufSettings)
    }
}
