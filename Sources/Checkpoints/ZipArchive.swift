internal import Storage

/// A zip file whose entries are stored as they are, so that they can be used where they lie.
///
/// Only what `torch.save` writes is read: nothing compressed, encrypted or spread over several files. The directory must
/// agree with the entries' own headers, and no two entries may share a name or a byte.
struct ZipArchive {
    /// Each entry by its name.
    let entries: [String: ZipRecord]

    /// Reads the directory of `file` and checks every entry of it.
    init(_ file: MappedFile) throws(Failure) {
        let end = try ZipEnd(file)
        var directory = ByteCursor(end.directory)
        var entries: [String: ZipRecord] = [:]
        var spans: [(range: Range<Int>, name: String)] = []
        for index in 0..<end.entryCount {
            let entry = try ZipEntry(&directory, index: index)
            let found = try entry.locate(in: file, before: end.directory.range.lowerBound)
            guard entries.updateValue(found.record, forKey: entry.name) == nil else {
                throw .badInput("is there twice", at: "zip entry '\(entry.name)'")
            }
            spans.append((found.header..<found.record.data.range.upperBound, entry.name))
        }
        guard directory.remaining == 0 else {
            throw .badInput(
                "the zip directory has \(directory.remaining) bytes more than its entries take")
        }
        try Self.checkOverlaps(spans)
        // torch.save can be told not to compute check sums. It leaves 0 in every entry then; in some alone, that is damage.
        let statesSums = entries.values.contains { $0.checksum != 0 }
        self.entries = statesSums ? entries : entries.mapValues { ZipRecord(name: $0.name, data: $0.data) }
    }

    private static func checkOverlaps(_ spans: [(range: Range<Int>, name: String)]) throws(Failure) {
        let sorted = spans.sorted { $0.range.lowerBound < $1.range.lowerBound }
        for (first, second) in zip(sorted, sorted.dropFirst())
        where second.range.lowerBound < first.range.upperBound {
            throw .badInput("overlaps entry '\(first.name)'", at: "zip entry '\(second.name)'")
        }
    }
}
