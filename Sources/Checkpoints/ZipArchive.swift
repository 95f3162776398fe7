internal import Storage

/// A zip file whose entries are stored as they are, so that they can be used where they lie.
///
/// Only what `torch.save` writes is read: nothing compressed, encrypted or spread over several files. The directory must
/// agree with the entries' own headers, and no two entries may share a name or a byte.
struct ZipArchive {
    /// The bytes of each entry by its name.
    let entries: [String: MappedBytes]

    /// Reads the directory of `file` and checks every entry of it.
    init(_ file: MappedFile) throws(Failure) {
        let end = try ZipEnd(file)
        var directory = ByteCursor(end.directory)
        var entries: [String: MappedBytes] = [:]
        var spans: [(range: Range<Int>, name: String)] = []
        for index in 0..<end.entryCount {
            let entry = try ZipEntry(&directory, index: index)
            let found = try entry.locate(in: file, before: end.directory.range.lowerBound)
            guard entries.updateValue(found.data, forKey: entry.name) == nil else {
                throw .badInput("is there twice", at: "zip entry '\(entry.name)'")
            }
            spans.append((found.header..<found.data.range.upperBound, entry.name))
        }
        guard directory.remaining == 0 else {
            throw .badInput(
                "the zip directory has \(directory.remaining) bytes more than its entries take")
        }
        try Self.checkOverlaps(spans)
        self.entries = entries
    }

    private static func checkOverlaps(_ spans: [(range: Range<Int>, name: String)]) throws(Failure) {
        let sorted = spans.sorted { $0.range.lowerBound < $1.range.lowerBound }
        for (first, second) in zip(sorted, sorted.dropFirst())
        where second.range.lowerBound < first.range.upperBound {
            throw .badInput("overlaps entry '\(first.name)'", at: "zip entry '\(second.name)'")
        }
    }
}
