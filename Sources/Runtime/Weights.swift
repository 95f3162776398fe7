import Bundles
import CKernels
import GraphIR
import GroupFormats
import Storage

/// The weights of a bundle as the kernels take them: pointers into the mapped file, and small vectors widened to floats.
struct Weights: @unchecked Sendable {
    /// A matrix [rows, columns].
    enum Matrix {
        case packed(tsr_packed)
        case float(tsr_float_type, UnsafeRawPointer, rows: Int, columns: Int)

        var rows: Int {
            switch self {
            case .packed(let packed): packed.rows
            case .float(_, _, let rows, _): rows
            }
        }

        var columns: Int {
            switch self {
            case .packed(let packed): packed.columns
            case .float(_, _, _, let columns): columns
            }
        }

        /// Columns that share a scale in the int8 activations that it is multiplied by; nil for floats.
        var activationGroup: Int? {
            if case .packed(let packed) = self { Int(tsr_activation_group(packed.group)) } else { nil }
        }
    }

    /// Matrices, those of the bands of a weight's rows one after the other.
    private(set) var matrices: [Matrix] = []
    /// Where the weight that a matrix is of lies in a file, if it does; bands of one weight share it.
    private(set) var mapped: [MappedBytes?] = []
    private var matrixIndices: [String: Range<Int>] = [:]
    /// Norms and biases, in `vectorMemory`.
    private(set) var vectors: [UnsafePointer<Float>] = []
    private var vectorIndices: [String: Int] = [:]
    private let vectorMemory: AnonymousMemory
    // Keep the bytes where they are.
    private let owners: [AnyObject]

    /// Takes the weights of `slots`; each must be there with its shape.
    init(
        _ slots: [WeightSlot], _ stored: (String) throws(Failure) -> LentWeight?
    ) throws(Failure) {
        var lent: [LentWeight] = []
        for slot in slots { lent.append(try Weights.lend(slot, stored)) }
        // What is stored has these shapes, so the sum cannot overflow.
        let vectorBytes = slots.filter { $0.shape.rank == 1 }.reduce(0) {
            $0 + ($1.shape.count * 4 + 63) / 64 * 64
        }
        vectorMemory = try AnonymousMemory(vectorBytes)
        var free = vectorMemory.base
        var owners: [ObjectIdentifier: AnyObject] = [:]
        for (slot, weight) in zip(slots, lent) {
            let place = "tensor '\(slot.name)'"
            guard let source = weight.bytes.baseAddress else { throw .badInput("is empty", at: place) }
            owners[ObjectIdentifier(weight.owner)] = weight.owner
            if slot.shape.rank == 1 {
                guard let type = weight.encoding.floatType else {
                    throw .badInput("is no vector of floats", at: place)
                }
                let vector = free.bindMemory(to: Float.self, capacity: slot.shape.count)
                tsr_to_f32(type, source, slot.shape.count, vector)
                vectorIndices[slot.name] = vectors.count
                vectors.append(UnsafePointer(vector))
                free += (slot.shape.count * 4 + 63) / 64 * 64
            } else {
                let own = try Weights.matrices(weight.encoding, source, slot.shape, place: place)
                matrixIndices[slot.name] = matrices.count..<matrices.count + own.count
                matrices += own
                mapped += own.map { _ in weight.mapped }
            }
        }
        self.owners = Array(owners.values)
    }

    private static func lend(
        _ slot: WeightSlot, _ stored: (String) throws(Failure) -> LentWeight?
    ) throws(Failure) -> LentWeight {
        guard let weight = try stored(slot.name) else {
            throw .badInput("the weight '\(slot.name)' of the graph is not there")
        }
        let place = "tensor '\(slot.name)'"
        guard weight.shape == slot.shape else {
            throw .badInput("has shape \(weight.shape), but the graph says \(slot.shape)", at: place)
        }
        guard let byteCount = weight.encoding.byteCount(slot.shape), byteCount <= weight.bytes.count else {
            throw .badInput("has \(weight.bytes.count) bytes, too few for \(slot.shape)", at: place)
        }
        return weight
    }

    private static func matrices(
        _ encoding: TensorEncoding, _ source: UnsafeRawPointer, _ shape: Shape, place: String
    ) throws(Failure) -> [Matrix] {
        let columns = shape.extents[1]
        switch encoding {
        case .groups, .bands:
            return encoding.codedRows(shape).map { .packed($0.geometry.packed(source + $0.bytes.lowerBound)) }
        case .zeroPoints, .affine, .float4:
            guard let geometry = PublishedGeometry(encoding, shape) else {
                throw .badInput("\(encoding) cannot hold \(shape)", at: place)
            }
            return [.packed(geometry.packed(source))]
        case .float:
            guard let type = encoding.floatType else { throw .badInput("is no matrix of floats", at: place) }
            return [.float(type, source, rows: shape.extents[0], columns: columns)]
        }
    }

    /// The matrices of the bands of the weight of that name: one, unless its rows are in several formats. The plan compiler
    /// asks only for what the checked graph declares.
    func matrixIndices(_ name: String) throws(Failure) -> Range<Int> {
        guard let indices = matrixIndices[name], !indices.isEmpty else {
            throw .badInput("'\(name)' is no matrix")
        }
        return indices
    }

    /// The matrix of that name, for a use that takes it whole.
    func matrixIndex(_ name: String) throws(Failure) -> Int {
        let indices = try matrixIndices(name)
        guard indices.count == 1 else {
            throw .badInput(
                "'\(name)' has rows in several formats, which only a linear or an embedding may have")
        }
        return indices.lowerBound
    }

    /// The vector of that name.
    func vectorIndex(_ name: String) throws(Failure) -> Int {
        guard let index = vectorIndices[name] else { throw .badInput("'\(name)' is no vector") }
        return index
    }
}
