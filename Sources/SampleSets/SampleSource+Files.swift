internal import Storage

extension SampleSource {
    /// The files that it is read from: its own, and those of the pictures and videos that a conversation names.
    public var files: [String] {
        switch self {
        case .text(let file): return [file]
        case .shipped: return []
        case .conversation(let json, let file, _):
            let parts = (json["messages"]?.array ?? []).flatMap { $0["content"]?.array ?? [] }
            let names = parts.flatMap { part in ["image", "video"].compactMap { part[$0]?.string } }
            return [file] + names.compactMap { try? MediaFiles.path($0, Path.directory(file)) }
        }
    }
}
