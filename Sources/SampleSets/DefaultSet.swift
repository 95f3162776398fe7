import CDefaultSet
package import Storage

/// The sets that ship with the program; `Sources/CDefaultSet` holds their files.
public enum DefaultSet: String, Sendable {
    /// What a model is calibrated with.
    case calibration = "default"
    /// What a model is compared over; it shares nothing with the other.
    case evaluation

    /// What stands for it among the paths of a set.
    public var word: String { rawValue }

    /// Its files, in the order of their names.
    private var files: some Sequence<(name: String, bytes: UnsafeRawBufferPointer)> {
        let file =
            switch self {
            case .calibration: tessera_default_file
            case .evaluation: tessera_evaluation_file
            }
        return sequence(state: 0) { (index: inout Int) in
            guard let file = file(index)?.pointee else { return nil }
            index += 1
            return (
                String(cString: file.name), UnsafeRawBufferPointer(start: file.bytes, count: file.count)
            )
        }
    }

    /// The bytes of one of its files, which stay where they are as long as the program runs.
    package func bytes(_ name: String) throws(Failure) -> UnsafeRawBufferPointer {
        guard let file = files.first(where: { $0.name == name }) else {
            throw .badInput("has no file '\(name)'", file: word)
        }
        return file.bytes
    }

    /// All of its conversations, those of each file spread evenly over the whole: however few are taken from the start, all
    /// kinds are among them.
    package func conversations() throws(Failure) -> [SampleSource] {
        var placed: [(place: Double, source: SampleSource)] = []
        for file in files where file.name.hasSuffix(".jsonl") {
            let path = Path.join(word, file.name)
            let lines = try SampleSource.lines(Array(file.bytes), file: path)
            for (index, line) in lines.enumerated() {
                placed.append(
                    (
                        (Double(index) + 0.5) / Double(lines.count),
                        .shipped(line.json, self, file: path, line: line.number)
                    ))
            }
        }
        // Sorting is stable, so files that are due together come in the order of their names.
        return placed.sorted { $0.place < $1.place }.map(\.source)
    }
}
