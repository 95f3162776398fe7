public import GroupFormats
public import Storage

/// How far apart one weight of two bundles is.
public struct TensorDifference: Sendable {
    /// A row, perhaps one group of its columns, and how far it is off.
    public struct Place: Sendable {
        /// Of the matrix.
        public let row: Int
        /// Of the row's groups; nil for a whole row.
        public let group: Int?
        /// ‖A − B‖ / ‖A‖ there.
        public let error: Double
    }

    /// Its name in both bundles.
    public let name: String
    /// Its role in the graph; for norms, biases and tables its name without numbers.
    public let role: String
    /// Its shape in both.
    public let shape: Shape
    /// In the base and in the other.
    public let encodings: (base: TensorEncoding, other: TensorEncoding)
    /// In the base and in the other.
    public let bytes: (base: Int, other: Int)
    /// ‖A − B‖ / ‖A‖.
    public let error: Double
    /// Σ AB / (‖A‖ ‖B‖).
    public let cosine: Double
    /// The row with the largest relative error.
    public let worstRow: Place?
    /// The group with the largest relative error.
    public let worstGroup: Place?
    /// What the encodings cost at these values, rounded to nearest.
    public let expected: Double
    /// The median error of the weights of its role, without its own where there are others.
    public internal(set) var roleMedian: Double
    /// Whether a recipe changed it together with others, so that it need not be near the base.
    public let isRewritten: Bool
}
