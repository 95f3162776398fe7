extension MappedFile {
    /// The SHA-256 of `range`, read once from front to back.
    ///
    /// Pages already digested are given back, so that resident memory stays at a few megabytes however long the range.
    /// - Parameters:
    ///   - visit: shown every few megabytes while they are in memory, with their place in the file.
    ///   - progress: told the bytes digested so far, after each few megabytes.
    public func digest(
        of range: Range<Int>,
        visit: (UnsafeRawBufferPointer, Range<Int>) throws(Failure) -> Void = { _, _ throws(Failure) in },
        progress: (Int) -> Void = { _ in }
    ) throws(Failure) -> Digest {
        guard let view = MappedBytes(self, range)?.bytes else {
            throw .badInput(
                "bytes \(range.lowerBound) to \(range.upperBound) lie outside the file", file: path)
        }
        advise(range, .sequential)
        let stride = 4 << 20
        var hash = try SHA256()
        var start = 0
        while start < view.count {
            let end = min(start + stride, view.count)
            let (bytes, place) = (view[start..<end], range.lowerBound + start..<range.lowerBound + end)
            hash.update(UnsafeRawBufferPointer(rebasing: bytes))
            try visit(UnsafeRawBufferPointer(rebasing: bytes), place)
            advise(place, .dontNeed)
            start = end
            progress(end)
        }
        return hash.finish()
    }
}
