extension Array {
    /// The elements as bytes, for a body that throws only `Failure`.
    public func withBytes<Result>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let result = withUnsafeBytes { bytes in Swift.Result { () throws(Failure) in try body(bytes) } }
        return try result.get()
    }
}
