import Checkpoints
import Formats
import Storage

/// How models in GGUF are read in the words of published checkpoints; read from `formats/gguf.json`.
struct GGUFTable {
    /// A pair of metadata by which a model is known, and what of the metadata makes its configuration.
    struct Model {
        /// `general.architecture` of the text part.
        let architecture: String
        /// `clip.projector_type` of the vision part.
        let projector: String
        let modelType: String
        /// Metadata, without the architecture or `clip.vision.`, and the key of config.json that it is.
        let text, vision: [(key: String, config: String)]
        /// What config.json has that llama.cpp computes without being told.
        let textConfig, visionConfig: [JSON.Member]
        /// Metadata of the vision part that say nothing else if they are there.
        let flags: [JSON.Member]
        /// What no file says of the vision part, and is taken as published.
        let published: [JSON.Member]
        /// Whether some blocks mix tokens by a delta rule, and some may only draft them.
        let isHybrid: Bool
    }

    /// A weight and the tensors that hold it.
    fileprivate struct Weight {
        let name: String
        let tensors: [String]
        let parts: GGUFParts
    }

    let models: [Model]
    /// By model type.
    private let weights: [String: [Weight]]

    init() throws(Failure) {
        let json = try JSON(parsing: Formats.gguf)
        models = try (json["models"]?.array ?? []).map { (json) throws(Failure) in try Model(json) }
        var weights: [String: [Weight]] = [:]
        for section in json["tensors"]?.array ?? [] {
            let own = try (section["weights"]?.array ?? []).map { (json) throws(Failure) in
                try Weight(row: json)
            }
            for type in section["model_types"]?.strings ?? [] { weights[type, default: []] += own }
        }
        self.weights = weights
    }

    /// The model that the metadata of a text and a vision part name.
    /// - Throws: `badInput` saying what it is instead, or which file does not fit the other.
    func model(_ files: GGUFModel) throws(Failure) -> Model {
        let path = files.text[0].file.path
        guard let architecture = try files.text[0].text("general.architecture") else {
            throw .badInput("lacks the metadata 'general.architecture'", file: path)
        }
        let found = models.filter { $0.architecture == architecture }
        guard !found.isEmpty else {
            let what = ModelTypes.description(of: architecture).map { ": \($0)" } ?? ""
            let known = models.map { "'\($0.architecture)'" }.reduce(into: [String]()) {
                if !$0.contains($1) { $0.append($1) }
            }
            throw .badInput(
                "is of architecture '\(architecture)'\(what), not \(known.joined(separator: ", "))",
                file: path)
        }
        let vision = files.vision
        var projector = try vision.text("clip.projector_type")
        if projector == nil { projector = try vision.text("clip.vision.projector_type") }
        guard let model = found.first(where: { $0.projector == projector }) else {
            let wanted = found.map { "'\($0.projector)'" }.joined(separator: " or ")
            throw .badInput(
                "is the vision part of another model: its projector is \(projector.map { "'\($0)'" } ?? "not named"), and "
                    + "\(Path.name(path)) ('\(architecture)') needs \(wanted)", file: vision.file.path)
        }
        return model
    }

    /// The weights of tensors, under their published names; tensors of unknown names keep them.
    /// - Parameters:
    ///   - blocks: the numbers of the vision blocks whose features the decoder takes.
    ///   - heads: the heads of values of a delta rule, if those of keys are not as many.
    ///   - renamed: what a tensor should have been called.
    /// - Throws: `badInput` when a weight lacks a part, or parts do not fit.
    func weights(
        of tensors: [GGUFTensor], _ model: Model, features blocks: [Int], heads: ValueHeads?,
        renamed: (String) -> String
    ) throws(Failure) -> [StoredWeight] {
        let known = weights[model.modelType] ?? []
        var places: [String: Place] = [:]
        for (weight, entry) in known.enumerated() {
            for (part, name) in entry.tensors.enumerated() {
                places[name] = Place(weight: weight, part: part)
            }
        }
        var found: [Found] = []
        var positions: [String: Int] = [:]
        for tensor in tensors {
            let name = renamed(tensor.name)
            guard let (place, number) = Self.match(name, in: places) else {
                found.append(Found(name: tensor.name, entry: nil, number: nil, parts: [0: tensor]))
                continue
            }
            let entry = known[place.weight]
            let published = entry.published(number, features: blocks)
            // A weight may be known in two forms; both at once are two weights of one name.
            let key = "\(place.weight) \(published)"
            let position = positions[key] ?? found.count
            if position == found.count {
                positions[key] = position
                found.append(Found(name: published, entry: entry, number: number, parts: [:]))
            }
            found[position].parts[place.part] = tensor
        }
        return try found.map { (found) throws(Failure) in try found.weight(heads) }
    }

    /// Where a tensor's name stands in the table.
    private struct Place {
        let weight: Int
        let part: Int
    }

    /// A weight, as far as its parts were found.
    private struct Found {
        let name: String
        /// Nil for a tensor that the table does not know.
        let entry: Weight?
        let number: Int?
        var parts: [Int: GGUFTensor]

        func weight(_ heads: ValueHeads?) throws(Failure) -> StoredWeight {
            let names = entry?.tensors ?? [name]
            guard let any = parts.values.min(by: { $0.name < $1.name }) else {
                throw .badInput("has no tensor of '\(name)'")
            }
            if let missing = names.indices.first(where: { parts[$0] == nil }) {
                throw .badInput(
                    "is there, but '\(Weight.filled(names[missing], number))' is not",
                    file: any.data.file.path,
                    at: "tensor '\(any.name)'")
            }
            let tensors = names.indices.compactMap { parts[$0] }
            do throws(Failure) {
                return try StoredWeight(name, of: tensors, entry?.parts ?? GGUFParts(), heads: heads)
            } catch { throw error.located(in: any.data.file.path) }
        }
    }

    /// The place of a tensor's name, and the number of a block in it, if there is one.
    private static func match(_ name: String, in places: [String: Place]) -> (place: Place, number: Int?)? {
        if let place = places[name] { return (place, nil) }
        var words = name.split(separator: ".", omittingEmptySubsequences: false)
        // Only the plain decimal form is a number: `01` would let two names be one weight.
        guard let index = words.firstIndex(where: { word in Int(word).map { String($0) == word } ?? false }),
            let number = Int(words[index]), number >= 0
        else { return nil }
        for mark in ["{i}", "{d}"] as [Substring] {
            words[index] = mark
            if let place = places[words.joined(separator: ".")] { return (place, number) }
        }
        return nil
    }
}

extension GGUFTable.Weight {
    fileprivate init(row json: JSON) throws(Failure) {
        guard let name = json["weight"]?.string, let tensors = json["tensors"]?.strings, !tensors.isEmpty
        else {
            throw .badInput("a weight of the GGUF table is malformed")
        }
        var parts = GGUFParts()
        if let axis = json["across"]?.int { parts.arrangement = .across(axis) }
        if let word = json["value_heads"] {
            guard let place = word.string.flatMap(ValueHeads.Place.init) else {
                throw .badInput("a weight of the GGUF table has value heads in \(word.serialized())")
            }
            parts.headed = place
        }
        parts.isRow = json["row"]?.bool ?? false
        parts.isNegativeExponential = json["negative_exponential"]?.bool ?? false
        (self.name, self.tensors, self.parts) = (name, tensors, parts)
    }

    /// The published name for the block of a number. A block whose features are not taken has none: it keeps what it is called.
    fileprivate func published(_ number: Int?, features: [Int]) -> String {
        guard name.contains("{d}") else { return Self.filled(name, number) }
        guard let place = features.firstIndex(where: { $0 == number }) else {
            return Self.filled(tensors[0], number)
        }
        return Self.filled(name, place)
    }

    fileprivate static func filled(_ name: String, _ number: Int?) -> String {
        guard let number else { return name }
        return name.split(separator: ".").map { $0 == "{i}" || $0 == "{d}" ? "\(number)" : String($0) }
            .joined(separator: ".")
    }
}

extension GGUFTable.Model {
    fileprivate init(_ json: JSON) throws(Failure) {
        func pairs(_ key: String) throws(Failure) -> [(key: String, config: String)] {
            try (json[key]?.array ?? []).map { (pair) throws(Failure) in
                guard let words = pair.strings, words.count == 2 else {
                    throw .badInput("a setting of the GGUF table is malformed")
                }
                return (words[0], words[1])
            }
        }
        guard let architecture = json["architecture"]?.string, let projector = json["projector"]?.string,
            let modelType = json["model_type"]?.string
        else { throw .badInput("a model of the GGUF table is malformed") }
        (self.architecture, self.projector, self.modelType) = (architecture, projector, modelType)
        (text, vision) = (try pairs("text"), try pairs("vision"))
        textConfig = json["config"]?["text_config"]?.members ?? []
        visionConfig = json["config"]?["vision_config"]?.members ?? []
        (flags, published) = (json["flags"]?.members ?? [], json["published"]?.members ?? [])
        isHybrid = json["hybrid"]?.bool ?? false
    }
}
