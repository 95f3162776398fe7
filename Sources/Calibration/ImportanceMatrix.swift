internal import Checkpoints
public import Storage

/// An imatrix as llama.cpp's `llama-imatrix` writes it: of each matrix, Σ x² of each column over the rows x that it was given;
/// `formats/calibration.md`.
public struct ImportanceMatrix: Sendable {
    /// Where it is.
    public let path: String
    /// Of the whole file.
    public let digest: Digest
    /// What it was made of: names of files, perhaps none.
    public let datasets: [String]
    /// How many pieces of text it was made of, and how many tokens each has; nil where it does not say.
    public let chunkCount, chunkSize: Int?
    /// By the matrix's name.
    private let entries: [String: Entry]

    /// What there is of a matrix, or of the matrices of experts.
    struct Entry {
        /// 1 for what is no mixture.
        let experts: Int
        let columns: Int
        /// Σ x² of each column, expert after expert.
        fileprivate let sums: MappedBytes
        /// Rows of each expert.
        fileprivate let counts: MappedBytes

        /// E[x²] of each column over the rows of each expert, mixed with that over the rows of all; nil when there was no row.
        /// - Throws: `badInput` when a sum or a number of rows is none.
        func meanSquares() throws(Failure) -> MeanSquares? {
            let counts = self.counts.floats.map(Double.init)
            if let bad = counts.first(where: { !($0 >= 0 && $0 < 0x1p53 && $0.rounded() == $0) }) {
                throw .badInput("has \(Float(bad)) rows")
            }
            let sums = self.sums.floats.map(Double.init)
            if let place = sums.firstIndex(where: { !($0 >= 0 && $0.isFinite) }) {
                throw .badInput(
                    "has \(Float(sums[place])) as the sum of squares of column \(place % columns)")
            }
            let rows = counts.reduce(0, +)
            guard rows > 0 else { return nil }
            var all = [Double](repeating: 0, count: columns)
            for (place, sum) in sums.enumerated() { all[place % columns] += sum / rows }
            // Sums of one row fit a float, and so do all means but for rounding.
            func fitting(_ mean: Double) -> Float { min(Float(mean), .greatestFiniteMagnitude) }
            guard experts > 1 else { return MeanSquares(all.map(fitting)) }
            let shared = MeanSquares.sharedRows
            return MeanSquares(
                experts: counts.enumerated().map { expert, count in
                    all.indices.map { column in
                        fitting((sums[expert * columns + column] + shared * all[column]) / (count + shared))
                    }
                })
        }
    }

    /// What a tensor's name says after the matrix's.
    private static let (sums, counts) = (".in_sum2", ".counts")

    /// Opens the file at `path`.
    /// - Throws: `badInput` when it is no sound GGUF file, no imatrix, or one without anything in it.
    public init(_ path: String) throws(Failure) {
        let file = try GGUFFile(path, kind: "imatrix")
        self.path = path
        digest = try file.file.digest(of: 0..<file.file.bytes.count)
        datasets = try file.texts("imatrix.datasets") ?? []
        chunkCount = try file.number("imatrix.chunk_count")
        chunkSize = try file.number("imatrix.chunk_size")
        do { entries = try Self.entries(file.tensors) } catch { throw error.located(in: path) }
    }

    private static func entries(_ tensors: [GGUFTensor]) throws(Failure) -> [String: Entry] {
        var (sums, counts): ([String: GGUFTensor], [String: GGUFTensor]) = ([:], [:])
        for tensor in tensors {
            guard tensor.type.plain == .float32, tensor.shape.count > 0, tensor.shape.rank > 0 else {
                throw .badInput(
                    "is \(tensor.type.name) of shape \(tensor.shape), where an imatrix has matrices of F32",
                    at: "tensor '\(tensor.name)'")
            }
            if tensor.name.hasSuffix(Self.sums) {
                sums[String(tensor.name.dropLast(Self.sums.count))] = tensor
            } else if tensor.name.hasSuffix(Self.counts) {
                counts[String(tensor.name.dropLast(Self.counts.count))] = tensor
            } else {
                throw .badInput("is no tensor of an imatrix", at: "tensor '\(tensor.name)'")
            }
        }
        guard !sums.isEmpty else { throw .badInput("has nothing of any matrix") }
        var entries: [String: Entry] = [:]
        for name in Set(sums.keys).union(counts.keys).sorted() {
            guard let sum = sums[name], let count = counts[name] else {
                throw .badInput("has one of sums and numbers of rows, not both", at: "matrix '\(name)'")
            }
            let columns = sum.shape.extents.last ?? 0
            let experts = sum.shape.count / columns
            guard count.shape.count == experts, count.shape.extents.last == 1 else {
                throw .badInput(
                    "has sums of shape \(sum.shape) with numbers of rows of shape \(count.shape)",
                    at: "matrix '\(name)'")
            }
            entries[name] = Entry(
                experts: experts, columns: columns, sums: sum.data, counts: count.data)
        }
        return entries
    }

    /// The names of its matrices, sorted.
    var names: [String] { entries.keys.sorted() }

    /// What it has of a matrix; nil when that is nothing.
    subscript(name: String) -> Entry? { entries[name] }
}

extension MappedBytes {
    /// Float32 elements, which may lie at any address.
    fileprivate var floats: some RandomAccessCollection<Float> {
        (0..<count / 4).lazy.map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
    }
}
