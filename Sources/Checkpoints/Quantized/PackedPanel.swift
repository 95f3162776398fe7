internal import CKernels
internal import Storage

/// Sixteen rows of a packed weight, unpacked.
struct PackedPanel {
    private let parts: PackedWeight.Parts
    /// `[column][16]`; those behind K and rows that are not loaded are 0.
    let codes: UnsafeMutableBufferPointer<UInt8>
    /// `[group][16]`.
    let scales: UnsafeMutableBufferPointer<Float>
    /// `[group][16]`.
    let zeros: UnsafeMutableBufferPointer<UInt8>
    /// `[group][16]`.
    let biases: UnsafeMutableBufferPointer<Float>
    private let values: UnsafeMutableBufferPointer<Float>

    /// Room for rows of `columns`, at least the weight's.
    init(_ parts: PackedWeight.Parts, columns: Int) {
        self.parts = parts
        let rows = CodeMatrix.panelRows
        codes = .allocate(capacity: columns * rows)
        scales = .allocate(capacity: parts.groupCount * rows)
        zeros = .allocate(capacity: parts.groupCount * rows)
        biases = .allocate(capacity: parts.groupCount * rows)
        values = .allocate(capacity: 256)
        _ = values.initialize(from: parts.values.table)
        clear()
    }

    func deallocate() {
        codes.deallocate()
        scales.deallocate()
        zeros.deallocate()
        biases.deallocate()
        values.deallocate()
    }

    private func clear() {
        codes.initialize(repeating: 0)
        scales.initialize(repeating: 0)
        zeros.initialize(repeating: 0)
        biases.initialize(repeating: 0)
    }

    /// Unpacks at most 16 rows of so many columns.
    func load(_ rows: Range<Int>, columns: Int) throws(Failure) {
        if rows.count < CodeMatrix.panelRows { clear() }
        guard let codes = codes.baseAddress, let scales = scales.baseAddress, let zeros = zeros.baseAddress,
            let biases = biases.baseAddress
        else { return }
        parts.codes.unpack(rows, columns: columns, into: codes)
        try parts.scales.read(rows, groups: parts.groupCount, into: scales)
        switch parts.offset {
        case .zero(let zero):
            for group in 0..<parts.groupCount {
                (zeros + group * CodeMatrix.panelRows).update(repeating: zero, count: rows.count)
            }
        case .zeros(let matrix): matrix.unpack(rows, columns: parts.groupCount, into: zeros)
        case .zerosLessOne(let matrix):
            matrix.unpackAddingOne(rows, columns: parts.groupCount, into: zeros)
        case .biases(let matrix): try matrix.read(rows, groups: parts.groupCount, into: biases)
        }
    }

    /// Writes the first `rows` rows loaded as `columns` floats each.
    func write(_ rows: Int, columns: Int, to out: UnsafeMutablePointer<Float>) {
        switch parts.groups {
        case .consecutive(let size):
            for group in 0..<parts.groupCount {
                let first = group * size
                write(first..<min(first + size, columns), of: group, rows, to: out, stride: columns)
            }
        case .listed(let groups):
            for column in 0..<columns {
                write(column..<column + 1, of: Int(groups[column]), rows, to: out, stride: columns)
            }
        }
    }

    private func write(
        _ columns: Range<Int>, of group: Int, _ rows: Int, to out: UnsafeMutablePointer<Float>, stride: Int
    ) {
        guard let codes = codes.baseAddress, let scales = scales.baseAddress, let zeros = zeros.baseAddress,
            let biases = biases.baseAddress
        else { return }
        let (code, side) = (columns.lowerBound * CodeMatrix.panelRows, group * CodeMatrix.panelRows)
        if case .biases = parts.offset {
            tsr_codes_to_biased_floats(
                codes + code, columns.count, rows, values.baseAddress, scales + side, biases + side,
                out + columns.lowerBound, stride)
        } else {
            tsr_codes_to_floats(
                codes + code, columns.count, rows, values.baseAddress, scales + side, zeros + side,
                out + columns.lowerBound, stride)
        }
    }
}
