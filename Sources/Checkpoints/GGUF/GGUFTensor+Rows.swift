internal import Storage

extension GGUFTensor {
    /// How rows of the published weight lie in the tensor.
    enum Layout {
        /// As they are.
        case published
        /// In another order.
        case rows(HeadOrder)
        /// Each with its blocks in another order.
        case blocks(HeadOrder)
        /// Each with its elements in another order, which has to be undone when they are numbers: blocks are of two heads.
        case elements(HeadOrder)
    }

    /// Elements of a row; those of a vector are rows.
    var columns: Int { shape.rank > 1 ? shape.extents[shape.rank - 1] : 1 }

    /// Bytes of a row.
    var pitch: Int { columns / type.elements * type.bytes }

    /// Lends the stored bytes of rows of the published weight, and lets their pages leave memory.
    /// - Precondition: `rows` are rows of it, at least one.
    func withRows<Result>(
        _ rows: Range<Int>, _ layout: Layout,
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { withExtendedLifetime(data.file) {} }
        switch layout {
        case .published, .elements:
            defer { giveUp(rows) }
            return try body(stored(rows))
        case .rows(let order):
            let bytes = UnsafeMutableRawBufferPointer.allocate(
                byteCount: rows.count * pitch, alignment: 64)
            defer { bytes.deallocate() }
            for run in order.runs(rows) {
                let source = run.stored..<run.stored + run.count
                let target = (run.published - rows.lowerBound) * pitch
                bytes[part: target, source.count * pitch].copyMemory(from: stored(source))
                giveUp(source)
            }
            return try body(UnsafeRawBufferPointer(bytes))
        case .blocks(let order):
            let bytes = UnsafeMutableRawBufferPointer.allocate(
                byteCount: rows.count * pitch, alignment: 64)
            defer { bytes.deallocate() }
            defer { giveUp(rows) }
            let runs = order.runs(0..<columns / type.elements)
            for row in rows {
                let source = stored(row..<row + 1)
                let target = bytes[part: (row - rows.lowerBound) * pitch, pitch]
                for run in runs { run.copy(source, to: target, size: type.bytes) }
            }
            return try body(UnsafeRawBufferPointer(bytes))
        }
    }

    private func stored(_ rows: Range<Int>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: data.bytes[rows.lowerBound * pitch..<rows.upperBound * pitch])
    }

    private func giveUp(_ rows: Range<Int>) {
        let start = data.range.lowerBound
        data.file.advise(start + rows.lowerBound * pitch..<start + rows.upperBound * pitch, .dontNeed)
    }
}

extension HeadOrder.Run {
    /// Copies a run of a row whose elements or blocks have `size` bytes.
    fileprivate func copy(
        _ row: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer, size: Int
    ) {
        let source = row[stored * size..<(stored + count) * size]
        target[part: published * size, count * size].copyMemory(
            from: UnsafeRawBufferPointer(rebasing: source))
    }
}

extension HeadOrder {
    /// Puts the elements of rows of floats, as they are stored, where they are published.
    func restore(_ floats: UnsafeMutableBufferPointer<Float>, columns: Int) {
        let row = UnsafeMutableBufferPointer<Float>.allocate(capacity: columns)
        defer { row.deallocate() }
        let runs = runs(0..<columns)
        for first in stride(from: 0, to: floats.count, by: columns) {
            let place = UnsafeMutableBufferPointer(rebasing: floats[first..<first + columns])
            _ = row.update(from: place)
            for run in runs {
                for index in 0..<run.count { place[run.published + index] = row[run.stored + index] }
            }
        }
    }
}

extension UnsafeMutableRawBufferPointer {
    /// So many bytes from a place on.
    fileprivate subscript(part start: Int, count: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: self[start..<start + count])
    }
}
