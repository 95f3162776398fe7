internal import Storage

/// What shares a scale in a matrix of 8-bit floats.
enum Float8Scales: Equatable {
    case blocks(rows: Int, columns: Int)
    case rows
    case tensor
}

// Weights of floats of 4 and 8 bits, which several tools store alike.
extension PackedTensors {
    /// 8-bit floats [N, K] and scales for blocks [⌈N/rows⌉, ⌈K/columns⌉], for rows [N, 1], or one for all.
    mutating func float8(_ scaling: Float8Scales, suffix: String) throws(Failure) -> any DerivedWeight {
        try main.require([.float8])
        let (rows, columns) = try main.matrix()
        let scales = try take(suffix, SourceTensor.scaleTypes + [.exponent8])
        let (rowBlock, size, kind) =
            switch scaling {
            case .blocks(let rowBlock, let size): (rowBlock, size, "FP8 blocks")
            case .rows: (1, columns, "FP8 rows")
            case .tensor: (rows, columns, "FP8 codes")
            }
        let groups = groupCount(columns, size)
        switch scaling {
        case .blocks: try scales.requireShape([groupCount(rows, rowBlock), groups])
        case .rows: try scales.requireShape([rows, 1], [rows])
        case .tensor: try scales.requireShape([1], [], [1, 1])
        }
        return try PackedWeight(
            self, [rows, columns], kind: kind,
            PackedWeight.Parts(
                values: .float8,
                codes: CodeMatrix(
                    tensor: main, bits: 8, rows: .separate(columns), columns: .separate(1)),
                offset: .zero(0),
                scales: ScaleMatrix(
                    scales, rowStride: groups, rowBlock: rowBlock,
                    reading: scales.type == .exponent8 ? .exponent : .number),
                groups: .consecutive(size), groupCount: groups))
    }

    /// MXFP8: 8-bit floats [N, K], an exponent for each 32 of a row [N, K/32].
    mutating func mxfp8(suffix: String) throws(Failure) -> any DerivedWeight {
        try main.require([.float8])
        let (rows, columns) = try main.matrix()
        let scales = try take(suffix, [.uint8, .exponent8])
        try scales.requireShape([rows, groupCount(columns, 32)])
        return try PackedWeight(
            self, [rows, columns], kind: "MXFP8 codes",
            PackedWeight.Parts(
                values: .float8,
                codes: CodeMatrix(
                    tensor: main, bits: 8, rows: .separate(columns), columns: .separate(1)),
                offset: .zero(0),
                scales: ScaleMatrix(scales, rowStride: groupCount(columns, 32), reading: .exponent),
                groups: .consecutive(32), groupCount: groupCount(columns, 32)))
    }

    /// MXFP4: bytes of two 4-bit floats [N, K/2], an exponent for each 32 of a row [N, K/32].
    mutating func mxfp4(suffix: String) throws(Failure) -> any DerivedWeight {
        let scales = try take(suffix, [.uint8, .exponent8])
        return try float4("MXFP4 codes", groupSize: 32, scales, .exponent, .none)
    }

    /// NVFP4: bytes of two 4-bit floats [N, K/2], an 8-bit float for each 16 of a row [N, K/16], and one number for all.
    mutating func nvfp4(suffix: String, _ common: ScaleMatrix.Common) throws(Failure) -> any DerivedWeight {
        let scales = try take(suffix, [.float8])
        return try float4("NVFP4 codes", groupSize: 16, scales, .float8, common)
    }

    private func float4(
        _ kind: String, groupSize: Int, _ scales: SourceTensor, _ reading: ScaleMatrix.Reading,
        _ common: ScaleMatrix.Common
    ) throws(Failure) -> any DerivedWeight {
        try main.require([.uint8])
        let (rows, width) = try main.matrix()
        let columns = width.multipliedReportingOverflow(by: 2)
        guard !columns.overflow else { throw main.failure("has the impossible shape \(main.shape)") }
        let groups = groupCount(columns.partialValue, groupSize)
        try scales.requireShape([rows, groups])
        return try PackedWeight(
            self, [rows, columns.partialValue], kind: kind,
            PackedWeight.Parts(
                values: .float4,
                codes: CodeMatrix(
                    tensor: main, bits: 4, rows: .separate(width), columns: .nibbles(stride: 1)),
                offset: .zero(0),
                scales: ScaleMatrix(scales, rowStride: groups, reading: reading, common: common),
                groups: .consecutive(groupSize), groupCount: groups))
    }
}
