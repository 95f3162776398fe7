public import Storage

/// The two files of a model in GGUF: the text part, which may be split into several, and the vision part, which llama.cpp calls
/// mmproj.
public struct GGUFModel: Sendable {
    /// The text part's files in their order; the first holds the metadata.
    public let text: [GGUFFile]
    /// The vision part.
    public let vision: GGUFFile

    /// Whether a path is that of such a model: a GGUF file, or a folder whose weights are all GGUF.
    /// - Parameter weights: the file that a user chose of a folder.
    public static func isGiven(_ path: String, weights: String?) -> Bool {
        guard Path.isDirectory(path) else { return isGGUF(path) }
        if let weights { return isGGUF(Path.join(path, Path.name(weights))) }
        guard let sets = try? WeightFiles(path).sets, !sets.isEmpty else { return false }
        return sets.allSatisfy { $0.container == .gguf }
    }

    private static func isGGUF(_ path: String) -> Bool {
        let magic = try? MappedFile(path).withBytes { (bytes) throws(Failure) in Array(bytes.prefix(4)) }
        return magic == GGUFFile.magic
    }

    /// Opens the files of the model at `path`, the text part's file or a folder that holds one.
    /// - Parameters:
    ///   - weights: the text part's file, where a folder holds several.
    ///   - mmproj: the vision part's file; the one that lies beside the text part if nothing is said.
    /// - Throws: `.badInput` when either is not there, is not what it should be, or could be one of several.
    public init(_ path: String, weights: String? = nil, mmproj: String? = nil) throws(Failure) {
        let isFolder = Path.isDirectory(path)
        let folder = GGUFFolder(isFolder ? path : Path.directory(path), sets: try Self.sets(around: path))
        if isFolder {
            text = try folder.text(weights)
        } else {
            text = try folder.text(at: path)
        }
        if let mmproj {
            vision = try Self.vision(at: mmproj)
        } else {
            vision = try folder.vision()
        }
    }

    private static func sets(around path: String) throws(Failure) -> [WeightSet] {
        let directory = Path.isDirectory(path) ? path : Path.directory(path)
        return try WeightFiles(directory).sets.filter { $0.container == .gguf }
    }

    private static func vision(at path: String) throws(Failure) -> GGUFFile {
        let file = try GGUFFile(downloaded: path)
        let role = try file.role
        guard role == .vision else {
            throw .badInput("is \(role.words), no mmproj (vision part)", file: path)
        }
        return file
    }

    /// All files, the text part's first.
    public var files: [GGUFFile] { text + [vision] }
}

extension GGUFFile {
    /// Opens a file that was downloaded, saying so where that did not finish.
    fileprivate init(downloaded path: String) throws(Failure) {
        try UnfinishedDownload.check(weights: path)
        try self.init(path)
    }

    /// What a file is of a model.
    enum Role: Equatable {
        case text
        case vision
        /// Something else, as `general.type` calls it.
        case other(String)

        /// For messages.
        var words: String {
            switch self {
            case .text: "the text part of a model"
            case .vision: "the mmproj (vision part) of a model"
            case .other(let type): "a GGUF file of type '\(type)'"
            }
        }
    }

    var role: Role {
        get throws(Failure) {
            let type = try text("general.type") ?? "model"
            let architecture = try text("general.architecture")
            if type == "mmproj" || architecture == "clip" { return .vision }
            return type == "model" ? .text : .other(type)
        }
    }
}

/// The GGUF files of a folder.
private struct GGUFFolder {
    let directory: String
    let sets: [WeightSet]

    init(_ directory: String, sets: [WeightSet]) { (self.directory, self.sets) = (directory, sets) }

    /// Those that play a role, by the metadata of their first files.
    /// - Throws: `.badInput` of the first that cannot be read, where none is found.
    private func all(_ role: GGUFFile.Role) throws(Failure) -> [WeightSet] {
        var problem: Failure?
        var found: [WeightSet] = []
        for set in sets where !set.missing.contains(set.name) {
            do throws(Failure) {
                let own = try GGUFFile(downloaded: Path.join(directory, set.name)).role
                if own == role { found.append(set) }
            } catch { problem = problem ?? error }
        }
        if found.isEmpty, let problem { throw problem }
        return found
    }

    /// The text part: the file that was named, or the only one.
    func text(_ weights: String?) throws(Failure) -> [GGUFFile] {
        if let weights { return try text(at: Path.join(directory, Path.name(weights))) }
        let found = try all(.text)
        guard let only = found.first else {
            if let set = sets.first(where: { !$0.isComplete }) {
                throw set.refusal(in: directory, unfinished: []) ?? missing
            }
            throw missing
        }
        guard found.count == 1 else {
            throw .badInput(
                "holds the text parts of several models: \(listed(found.map(\.name)))", file: directory,
                remedy: "give the path of one, or say which with --weights FILE")
        }
        return try open(only)
    }

    private var missing: Failure {
        .badInput(
            "holds no text part of a model, but \(listed(sets.map(\.name)))", file: directory,
            remedy: "download the text part (MODEL-Q4_K_M.gguf or the like) into the same folder")
    }

    /// The text part that a file is, or is a shard of.
    func text(at path: String) throws(Failure) -> [GGUFFile] {
        let name = Path.name(path)
        if let set = sets.first(where: { $0.files.contains(name) && $0.files.count > 1 }) {
            return try open(set)
        }
        return try opened([path])
    }

    private func open(_ set: WeightSet) throws(Failure) -> [GGUFFile] {
        if let refusal = set.refusal(in: directory, unfinished: []) { throw refusal }
        return try opened(set.files.map { Path.join(directory, $0) })
    }

    private func opened(_ paths: [String]) throws(Failure) -> [GGUFFile] {
        let files = try paths.map { (path) throws(Failure) in
            try GGUFFile(downloaded: path)
        }
        let role = try files[0].role
        guard role == .text else {
            throw .badInput(
                "is \(role.words), not the text part", file: paths[0],
                remedy: role == .vision ? "give the text part's file; --mmproj takes this one" : nil)
        }
        try checkShards(files)
        return files
    }

    /// Whether all shards are there, each in its place.
    private func checkShards(_ files: [GGUFFile]) throws(Failure) {
        for (number, file) in files.enumerated() {
            let count = try file.integer("split.count") ?? 1
            let own = try file.integer("split.no") ?? 0
            guard count == files.count || (count == 0 && files.count == 1), own == number else {
                throw .badInput(
                    "says that it is part \(own) of \(count), counted from 0, but is \(number) of \(files.count) by its name",
                    file: file.file.path, remedy: "give the shards the names that they were published under")
            }
        }
        let tensors = files.reduce(0) { $0 + $1.tensors.count }
        if let stated = try files[0].integer("split.tensors.count"), stated != tensors {
            throw .badInput(
                "says that all parts hold \(stated) tensors, but they hold \(tensors)",
                file: files[0].file.path)
        }
    }

    /// The only vision part.
    func vision() throws(Failure) -> GGUFFile {
        let found = try all(.vision)
        guard let only = found.first else {
            throw .badInput(
                "holds no mmproj, the vision part of a model in GGUF, without which it cannot see",
                file: directory,
                remedy: "download the mmproj file that was published with it, or name it with --mmproj FILE")
        }
        guard found.count == 1 else {
            throw .badInput(
                "holds several mmproj files: \(listed(found.map(\.name)))", file: directory,
                remedy: "say which with --mmproj FILE")
        }
        return try GGUFFile(downloaded: Path.join(directory, only.name))
    }
}
