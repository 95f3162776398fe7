internal import CKernels
public import GroupFormats
public import Storage

/// A matrix, or matrices one below the other, that a checkpoint stores as codes with scales, in several tensors.
///
/// `w[n, k] = (value(code[n, k]) − zero[n, g]) · scale[n, g] · factor[k]`, or `value(code[n, k]) · scale[n, g] + bias[n, g]`, with g the
/// group of k. Each operation is rounded to float32, in this order.
public struct PackedWeight: DerivedWeight {
    /// As a checkpoint of full precision names it.
    public let name: String
    /// `[N, K]`, or `[experts, N, K]`.
    public let shape: Shape
    /// The tensor of its codes, then the others.
    public let sources: [String]
    /// What its codes are, and whether a bundle can hold them.
    public let published: PublishedCodes?
    /// Codes are made into float32.
    public var type: ElementType { .float32 }

    /// What is taken from a code, or added to it once it is scaled.
    enum Offset {
        /// The code that stands for zero.
        case zero(UInt8)
        /// A code for each row and group.
        case zeros(CodeMatrix)
        /// A code for each row and group, from each of which 1 was taken.
        case zerosLessOne(CodeMatrix)
        case biases(ScaleMatrix)
    }

    /// The groups of a row's columns.
    enum Groups {
        /// So many columns each, in order.
        case consecutive(Int)
        /// The group of each column.
        case listed([Int32])
    }

    /// What each weight is multiplied by in the end.
    enum Factors {
        case none
        case all(Float)
        /// By column.
        case columns(SourceTensor)
    }

    /// How the weights come out of the tensors.
    struct Parts {
        let values: CodeValues
        let codes: CodeMatrix
        let offset: Offset
        let scales: ScaleMatrix
        let groups: Groups
        let groupCount: Int
        var factors = Factors.none
    }

    let parts: Parts

    /// K.
    var columns: Int { shape.extents.last ?? 0 }
    /// N, of all matrices.
    var rows: Int { shape.extents.dropLast().reduce(1, *) }

    /// A weight `module.weight` of what `tensors` were taken for it.
    /// - Parameter kind: what its codes are, for people.
    /// - Throws: `.badInput` when there are too many weights to address.
    init(_ tensors: PackedTensors, _ extents: [Int], kind: String, _ parts: Parts) throws(Failure) {
        guard let shape = Shape(checking: extents), shape.byteCount(.float32) != nil else {
            throw tensors.main.failure("packs \(extents) weights, too many to address")
        }
        name = tensors.weightName
        self.shape = shape
        sources = tensors.sources
        published = PublishedCodes(kind, Self.form(parts, columns: extents.last ?? 0))
        self.parts = parts
    }

    /// Reads rows as floats. Tensors packed along K are read in strips of 16 rows, so ask for as many rows at a time as there is room for.
    public func readRows(_ rows: Range<Int>, into out: UnsafeMutableRawBufferPointer) throws(Failure) {
        precondition(rows.lowerBound >= 0 && rows.upperBound <= self.rows)
        precondition(out.count == rows.count * columns * type.width)
        guard let out = out.bindMemory(to: Float.self).baseAddress else { return }
        let panel = PackedPanel(parts, columns: columns)
        defer { panel.deallocate() }
        for first in stride(from: rows.lowerBound, to: rows.upperBound, by: CodeMatrix.panelRows) {
            let strip = first..<min(first + CodeMatrix.panelRows, rows.upperBound)
            try panel.load(strip, columns: columns)
            panel.write(strip.count, columns: columns, to: out + (first - rows.lowerBound) * columns)
        }
        try multiply(rows.count, at: out)
    }

    private func multiply(_ rows: Int, at out: UnsafeMutablePointer<Float>) throws(Failure) {
        switch parts.factors {
        case .none: return
        case .all(let factor): for index in 0..<rows * columns { out[index] *= factor }
        case .columns(let tensor):
            let factors = (0..<columns).map { tensor.element($0) }
            if let column = factors.firstIndex(where: { !$0.isFinite }) {
                throw tensor.failure("the factor of column \(column) is \(factors[column])")
            }
            for row in 0..<rows {
                for column in 0..<columns { out[row * columns + column] *= factors[column] }
            }
        }
    }
}
