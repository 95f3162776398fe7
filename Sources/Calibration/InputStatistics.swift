internal import Bundles
internal import Checkpoints
public import GraphIR
public import Prompts
public import Storage

/// What is known of the rows that a model's linears read.
public enum InputStatistics {
    /// All that a calibration file keeps, and the set that it was made with, to run the quantized model over.
    case set(CalibrationFile)
    /// The mean squares of columns.
    case columns(ColumnStatistics)

    /// Opens the calibration file or the imatrix at `path` for a model.
    /// - Parameters:
    ///   - model: the digest of the bundle of full precision that is to be quantized.
    ///   - settings: that model's.
    /// - Throws: `badInput` when it is neither, or one of another model.
    public init(
        _ path: String, of model: Digest, _ graph: ModelGraph, _ settings: PromptSettings
    ) throws(Failure) {
        let start = try MappedFile(path).withBytes { (bytes) throws(Failure) in Array(bytes.prefix(16)) }
        if start.starts(with: GGUFFile.magic) {
            self = .columns(try ColumnStatistics(try ImportanceMatrix(path), graph))
        } else if Self.isOldImatrix(start) {
            throw .badInput(
                "is an imatrix of llama.cpp's old form (.dat); only its GGUF form can be read", file: path,
                remedy: "llama-imatrix -m MODEL --in-file OLD -o NEW.gguf converts it")
        } else {
            self = .set(try CalibrationFile(path, of: model, graph, settings))
        }
    }

    /// Stands for what is known: the digest of the file.
    public var digest: Digest {
        switch self {
        case .set(let file): file.bundle.digest
        case .columns(let columns): columns.matrix.digest
        }
    }

    /// The calibration file, where there is one.
    public var set: CalibrationFile? { if case .set(let file) = self { file } else { nil } }

    /// The mean squares of columns, where nothing more is known.
    public var columns: ColumnStatistics? { if case .columns(let columns) = self { columns } else { nil } }

    /// Whether a file begins with a number of matrices and the first one's name, counted, as an imatrix used to.
    private static func isOldImatrix(_ start: [UInt8]) -> Bool {
        guard start.count == 16 else { return false }
        let length = start[4..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
        let name = start[8...].prefix(length)
        return (8..<256).contains(length)
            && (name.starts(with: "blk.".utf8) || name.starts(with: "output.".utf8))
    }
}
