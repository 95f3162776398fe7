public import Storage

/// What downloads leave behind that are not finished: pointers instead of files, empty files, control files.
public enum UnfinishedDownload {
    /// What the names of parts of files end in.
    private static let suffixes = [
        ".incomplete", ".part", ".partial", ".crdownload", ".download", ".aria2", ".tmp",
    ]

    /// Whether a file of that name is a part of another, or the notes of a program that fetches it.
    static func isPart(_ name: String) -> Bool { suffixes.contains { name.hasSuffix($0) } }

    /// Refuses a file of weights that is empty, a mere pointer, or still being fetched.
    static func check(weights path: String) throws(Failure) {
        let file = try MappedFile(path)
        guard file.bytes.count > 0 else {
            throw .badInput("is empty", file: path, remedy: "download the file again")
        }
        try check(file)
        // The program takes the notes away when the file is whole; until then the file has gaps, but its full size.
        if Path.exists(path + ".aria2") {
            throw .badInput(
                "is being downloaded: \(Path.name(path)).aria2 lies beside it", file: path,
                remedy: "let the download finish")
        }
    }

    /// Refuses a file that is a mere pointer to another; one that is not there is no matter.
    public static func check(_ path: String) throws(Failure) {
        if Path.isRegularFile(path) { try check(MappedFile(path)) }
    }

    private static func check(_ file: MappedFile) throws(Failure) {
        guard let size = try file.withBytes({ (bytes) throws(Failure) in pointedSize(bytes) }) else { return }
        throw .badInput(
            "is a Git LFS pointer, which stands for a file of \(size) bytes that was not downloaded",
            file: file.path, remedy: "run git lfs pull in the folder, or download the file itself")
    }

    /// The files beside weights that are read of a checkpoint, whose names are known.
    static let smallFiles = [
        "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "vocab.json",
        "merges.txt", "added_tokens.json", "special_tokens_map.json", "qwen.tiktoken",
        "preprocessor_config.json", "video_preprocessor_config.json", "processor_config.json",
        "chat_template.json", "chat_template.jinja",
    ]

    /// The size that a pointer states, nil for anything else.
    private static func pointedSize(_ bytes: UnsafeRawBufferPointer) -> String? {
        guard bytes.count < 1024, bytes.starts(with: "version https://git-lfs".utf8) else { return nil }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        let size = lines.first { $0.hasPrefix("size ") }.flatMap { Int($0.dropFirst(5)) }
        return size.map { "\($0)" } ?? "unknown"
    }
}
