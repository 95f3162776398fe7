import Bundles
import CKernels
import GroupFormats
import Storage

/// The rows of a bundle's tensor as float32, exactly what its encoding says that they are. A tensor of rank 1 is one row.
struct StoredRows {
    private enum Form {
        case floats(tsr_float_type, width: Int)
        case coded([CodedRows])
        case published(PublishedGeometry)
    }

    let name: String
    let encoding: TensorEncoding
    let rows: Int
    let columns: Int
    /// Whether it was published as codes that a bundle can hold only as the floats that they stand for.
    let wasCodes: Bool
    private let mapped: MappedBytes
    private let form: Form

    /// The rows of a tensor of `bundle`.
    /// - Throws: `badInput` for an encoding that has no rows of floats.
    init(_ tensor: TensorEntry, of bundle: Bundle) throws(Failure) {
        name = tensor.name
        encoding = tensor.encoding
        rows = tensor.shape.rank == 2 ? tensor.shape.extents[0] : 1
        columns = tensor.shape.extents.last ?? 1
        wasCodes = encoding.floatType != nil && tensor.note.contains(" codes")
        mapped = bundle.bytes(of: tensor)
        let coded = encoding.codedRows(tensor.shape)
        if case .float(let type) = encoding, let kernelType = encoding.floatType {
            form = .floats(kernelType, width: columns * type.width)
        } else if let geometry = PublishedGeometry(encoding, tensor.shape) {
            form = .published(geometry)
        } else if !coded.isEmpty {
            form = .coded(coded)
        } else {
            throw .badInput("cannot be read as \(encoding)", file: bundle.path, at: "tensor '\(name)'")
        }
    }

    /// Whether its values are codes of a few bits.
    var isCoded: Bool { if case .floats = form { false } else { true } }

    /// How a row is stored: bands have formats of their own.
    func encoding(ofRow row: Int) -> TensorEncoding {
        guard case .coded(let runs) = form, let run = runs.first(where: { $0.rows.contains(row) }) else {
            return encoding
        }
        return .groups(run.geometry.format)
    }

    /// Columns that share a scale; nil for floats.
    var groupSize: Int? {
        switch form {
        case .floats: nil
        case .coded(let runs): runs.map(\.geometry.format.groupSize).min()
        case .published(let geometry): geometry.format.groupSize
        }
    }

    /// Reads a row, which must be there, into `columns` floats.
    func read(_ row: Int, into out: UnsafeMutableBufferPointer<Float>) {
        let bytes = mapped.bytes
        switch form {
        case .floats(let type, let width):
            let start = row * width
            guard let source = UnsafeRawBufferPointer(rebasing: bytes[start..<start + width]).baseAddress,
                let target = out.baseAddress
            else { return }
            tsr_to_f32(type, source, columns, target)
        case .coded(let runs):
            guard let run = runs.first(where: { $0.rows.contains(row) }) else { return }
            run.geometry.read(
                row: row - run.rows.lowerBound, of: UnsafeRawBufferPointer(rebasing: bytes[run.bytes]),
                into: out)
        case .published(let geometry):
            geometry.read(row: row, of: bytes, into: out)
        }
    }

    /// A row as an array.
    func row(_ row: Int) -> [Float] {
        [Float](unsafeUninitializedCapacity: columns) { buffer, count in
            read(row, into: UnsafeMutableBufferPointer(rebasing: buffer[..<columns]))
            count = columns
        }
    }

    /// Its pages may leave memory.
    func release() { mapped.file.advise(mapped.range, .dontNeed) }
}
