/// A product of float weights with many rows at once, by a library that is good at it:
/// y[t·yStride + n] += Σ x[t·xStride + k] · w[n·K + k] for `rows` rows n of f32 weights and all `tokens` t.
public struct LargeProduct: Sendable {
    /// The call.
    public typealias Call =
        @Sendable (
            _ w: UnsafePointer<Float>, _ rows: Int, _ columns: Int, _ x: UnsafePointer<Float>, _ xStride: Int,
            _ tokens: Int,
            _ y: UnsafeMutablePointer<Float>, _ yStride: Int
        ) -> Void

    let call: Call

    /// Fewer tokens than this go through the runtime's own kernels.
    static let fewestTokens = 48
    /// Rows of weights widened and multiplied at a time, of so many: at most what half of a cache holds, and enough panels for
    /// threads to share. By the matrix alone: results do not depend on the threads.
    static func panelRows(_ rows: Int) -> Int { min(384, max(96, rows / 8 / 16 * 16)) }

    /// Wraps a library's call.
    public init(_ call: @escaping Call) { self.call = call }
}
