import Checkpoints
import Storage

/// What a user gave as the folder of a checkpoint.
enum GivenFolder {
    /// Refuses what is no folder with a config.json, saying what it is and what to give instead.
    static func check(_ path: String) throws(Failure) {
        let config = Path.join(path, "config.json")
        guard Path.isDirectory(path) else { throw otherThanFolder(path) }
        guard Path.exists(config) else { throw try withoutConfiguration(path) }
        try UnfinishedDownload.check(config)
        try checkLinks(path)
        if Path.exists(Path.join(path, "config_sentence_transformers.json")) {
            throw .badInput(
                "is a model for searching (sentence-transformers), which gives vectors and no text",
                file: path)
        }
    }

    /// Refuses links that lead nowhere, as a snapshot has that was copied without what it points to: a file that is missing
    /// and a file that was lost are not the same.
    private static func checkLinks(_ path: String) throws(Failure) {
        let kinds = [".json", ".jinja", ".txt", ".tiktoken"]
        for name in try Path.list(path).sorted() where kinds.contains(where: name.hasSuffix) {
            let file = Path.join(path, name)
            guard !Path.exists(file) else { continue }
            throw .badInput(
                "is a link to a file that is not there", file: file, remedy: "download the model again")
        }
    }

    private static func otherThanFolder(_ path: String) -> Failure {
        guard Path.exists(path) else {
            return .badInput("is not there", file: path, remedy: "give the folder that holds config.json")
        }
        let magic =
            (try? MappedFile(path).withBytes { (bytes) throws(Failure) in Array(bytes.prefix(4)) }) ?? []
        if magic == [0x89] + Array("TSR".utf8) || path.hasSuffix(".tessera") {
            return .badInput(
                "is a bundle already", file: path,
                remedy: "tessera-run runs it, tessera-quantize makes it smaller")
        }
        return .badInput(
            "is a file, not a folder", file: path,
            remedy: "give the folder that holds config.json, such as \(Path.directory(path))")
    }

    private static func withoutConfiguration(_ path: String) throws(Failure) -> Failure {
        let names = try Path.list(path)
        guard !names.isEmpty else { return .badInput("is an empty folder", file: path) }
        if names.contains("config.json") {
            return .badInput(
                "is a link to a file that is not there", file: Path.join(path, "config.json"),
                remedy: "download the model again")
        }
        if names.contains("model_index.json") {
            let index = try? JSON(file: Path.join(path, "model_index.json"), limit: 1 << 20)
            let name = index?["_class_name"]?.string.map { " (\($0))" } ?? ""
            return .badInput("is a diffusion model\(name), which makes pictures and reads none", file: path)
        }
        if names.contains("snapshots") {
            return .badInput(
                "is a folder of the Hugging Face cache", file: path,
                remedy: snapshot(of: path).map { "give \($0)" }
                    ?? "its download is unfinished: download the model again")
        }
        let cached = names.filter { $0.hasPrefix("models--") }
        if let first = cached.first {
            let folder = Path.join(path, first)
            return .badInput(
                "is the Hugging Face cache, with \(cached.count) models", file: path,
                remedy: "give one of them, such as \(snapshot(of: folder) ?? folder)")
        }
        let files = try WeightFiles(path)
        if let adapter = files.adapterAlone { return adapter }
        if files.sets.isEmpty, !files.unfinished.isEmpty { _ = try files.chosen() }
        if let gguf = files.sets.first(where: { $0.container == .gguf }) {
            return .badInput(
                "holds no config.json, but a GGUF file (\(gguf.name)) and weights of other kinds",
                file: path, remedy: "give the path of the GGUF file, or say which weights with --weights FILE"
            )
        }
        let inner = names.filter { Path.exists(Path.join(Path.join(path, $0), "config.json")) }
        if let first = inner.first {
            let others = inner.count > 1 ? ", one of \(inner.count) such folders" : ""
            return .badInput(
                "holds no config.json, but the folder '\(first)' in it does\(others)", file: path,
                remedy: "give \(Path.join(path, first))")
        }
        if names.contains("params.json") {
            return .badInput(
                "holds no config.json, but params.json, as other families publish their models", file: path)
        }
        return .badInput("holds no config.json", file: path, remedy: "is the download complete?")
    }

    /// The newest complete snapshot of a cached model, if one has a configuration.
    private static func snapshot(of path: String) -> String? {
        let folder = Path.join(path, "snapshots")
        let main = (try? readFile(Path.join(path, "refs/main"), limit: 256)).map {
            String(decoding: $0, as: UTF8.self)
        }
        let hashes = ((try? Path.list(folder)) ?? []).sorted {
            ($0 == main ? 0 : 1, $0) < ($1 == main ? 0 : 1, $1)
        }
        return hashes.map { Path.join(folder, $0) }.first { Path.exists(Path.join($0, "config.json")) }
    }
}
