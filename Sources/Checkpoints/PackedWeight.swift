internal import CKernels
public import GroupFormats
public import Storage

/// A matrix that a checkpoint stores as codes with scales, in several tensors.
///
/// `w[n, k] = scale[n, g] · (value(code[n, k]) − zero[n, g])` with g the group of k: integer codes are their own value, 8-bit
/// floats have no zero point.
public struct PackedWeight: DerivedWeight {
    /// As a checkpoint of full precision names it.
    public let name: String
    /// `[N, K]`.
    public let shape: Shape
    /// The names of the tensors that it is stored as, codes first.
    public let sources: [String]
    /// What it is stored as, and whether a bundle can hold that.
    public let published: PublishedCodes?
    /// Codes are made into float32.
    public var type: ElementType { .float32 }

    /// What a code stands for.
    enum Value {
        case integer
        case float8
    }

    /// The code that stands for zero.
    enum Zero {
        case constant(UInt8)
        /// A code for each row and group.
        case stored(CodeMatrix)
        /// A code for each row and group, from each of which 1 was taken.
        case storedLessOne(CodeMatrix)
    }

    /// The groups of a row's columns.
    enum Groups {
        /// So many columns each, in order.
        case consecutive(Int)
        /// The group of each column.
        case listed([Int32])
    }

    let value: Value
    let codes: CodeMatrix
    let zero: Zero
    let scales: ScaleMatrix
    let groups: Groups
    let groupCount: Int

    /// K.
    var columns: Int { shape.extents[1] }

    /// Reads rows as floats, row-major, to `rows.count` · K places.
    ///
    /// The products of 16-bit scales and integer codes are exact; others are rounded once. Tensors packed along K are read in
    /// strips of 16 rows, so ask for as many rows at a time as there is room for. Uses memory for 16 rows of codes.
    /// - Throws: `.badInput` when a scale is NaN or infinite.
    /// - Precondition: `rows` are rows of this weight, and `out` has their size.
    public func readRows(_ rows: Range<Int>, into out: UnsafeMutableRawBufferPointer) throws(Failure) {
        precondition(rows.lowerBound >= 0 && rows.upperBound <= shape.extents[0])
        precondition(out.count == rows.count * columns * type.width)
        guard let out = out.bindMemory(to: Float.self).baseAddress else { return }
        let panel = PackedPanel(self, columns: columns)
        defer { panel.deallocate() }
        for first in stride(from: rows.lowerBound, to: rows.upperBound, by: CodeMatrix.panelRows) {
            let strip = first..<min(first + CodeMatrix.panelRows, rows.upperBound)
            try panel.load(strip)
            panel.write(strip.count, to: out + (first - rows.lowerBound) * columns)
        }
    }
}

/// Sixteen rows of a packed weight, unpacked.
struct PackedPanel {
    private let weight: PackedWeight
    /// `[column][16]`; those behind K and rows that are not loaded are 0.
    let codes: UnsafeMutableBufferPointer<UInt8>
    /// `[group][16]`.
    let scales: UnsafeMutableBufferPointer<Float>
    /// `[group][16]`.
    let zeros: UnsafeMutableBufferPointer<UInt8>
    private let values: UnsafeMutableBufferPointer<Float>

    /// Room for rows of `columns`, at least the weight's.
    init(_ weight: PackedWeight, columns: Int) {
        self.weight = weight
        let rows = CodeMatrix.panelRows
        codes = .allocate(capacity: columns * rows)
        scales = .allocate(capacity: weight.groupCount * rows)
        zeros = .allocate(capacity: weight.groupCount * rows)
        values = .allocate(capacity: 256)
        clear()
        for code in 0..<256 {
            values[code] = weight.value == .integer ? Float(code) : Float8.values[code]
        }
    }

    func deallocate() {
        codes.deallocate()
        scales.deallocate()
        zeros.deallocate()
        values.deallocate()
    }

    private func clear() {
        codes.initialize(repeating: 0)
        scales.initialize(repeating: 0)
        zeros.initialize(repeating: 0)
    }

    /// Unpacks at most 16 rows.
    func load(_ rows: Range<Int>) throws(Failure) {
        if rows.count < CodeMatrix.panelRows { clear() }
        guard let codes = codes.baseAddress, let scales = scales.baseAddress, let zeros = zeros.baseAddress
        else { return }
        weight.codes.unpack(rows, columns: weight.columns, into: codes)
        try weight.scales.read(rows, groups: weight.groupCount, into: scales)
        switch weight.zero {
        case .constant(let zero):
            for group in 0..<weight.groupCount {
                (zeros + group * CodeMatrix.panelRows).update(repeating: zero, count: rows.count)
            }
        case .stored(let matrix): matrix.unpack(rows, columns: weight.groupCount, into: zeros)
        case .storedLessOne(let matrix):
            // Words were subtracted from as a whole, so that a 0 borrowed from its neighbour: add to whole words.
            let ones: UInt32 = matrix.bits == .four ? 0x1111_1111 : 0x0101_0101
            for group in 0..<weight.groupCount {
                for row in rows {
                    zeros[group * CodeMatrix.panelRows + row - rows.lowerBound] = matrix.code(
                        row, group, adding: ones)
                }
            }
        }
    }

    /// Writes the first `rows` rows loaded as K floats each.
    func write(_ rows: Int, to out: UnsafeMutablePointer<Float>) {
        switch weight.groups {
        case .consecutive(let size):
            for group in 0..<weight.groupCount {
                let first = group * size
                write(first..<min(first + size, weight.columns), of: group, rows, to: out)
            }
        case .listed(let groups):
            for column in 0..<weight.columns {
                write(column..<column + 1, of: Int(groups[column]), rows, to: out)
            }
        }
    }

    private func write(
        _ columns: Range<Int>, of group: Int, _ rows: Int, to out: UnsafeMutablePointer<Float>
    ) {
        guard let codes = codes.baseAddress, let scales = scales.baseAddress, let zeros = zeros.baseAddress
        else { return }
        let (code, side) = (columns.lowerBound * CodeMatrix.panelRows, group * CodeMatrix.panelRows)
        tsr_codes_to_floats(
            codes + code, columns.count, rows, values.baseAddress, scales + side, zeros + side,
            out + columns.lowerBound, weight.columns)
    }
}

/// The 8-bit floats of the type e4m3fn: no infinities, NaN in the last place of either sign.
enum Float8 {
    /// What each byte stands for.
    static let values: [Float] = (0..<256).map { byte in
        let (exponent, fraction) = (byte >> 3 & 15, Float(byte & 7) / 8)
        let magnitude: Float =
            switch (exponent, byte & 7) {
            case (15, 7): .nan
            case (0, _): fraction * 0x1p-6
            default: Float(sign: .plus, exponent: exponent - 7, significand: 1 + fraction)
            }
        return byte < 128 ? magnitude : -magnitude
    }
}
