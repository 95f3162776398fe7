extension MappedFile {
    /// The SHA-256 of `range`, read once from front to back.
    ///
    /// Pages already digested are given back, so that resident memory stays at a few megabytes however long the range.
    /// - Parameter progress: told the bytes digested so far, after each few megabytes.
    public func digest(of range: Range<Int>, progress: (Int) -> Void = { _ in }) throws(Failure) -> Digest {
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
            hash.update(UnsafeRawBufferPointer(rebasing: view[start..<end]))
            advise(range.lowerBound + start..<range.lowerBound + end, .dontNeed)
            start = end
            progress(end)
        }
        return hash.finish()
    }
}
