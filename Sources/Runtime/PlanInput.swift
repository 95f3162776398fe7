import Storage

/// What a caller feeds to a plan.
public enum PlanInput: Equatable {
    /// Rows of floats; `skipping` leaves out so many elements at the front.
    case floats([Float], skipping: Int = 0)
    /// Whole numbers.
    case indices([Int32])

    /// How many elements there are.
    var count: Int {
        switch self {
        case .floats(let values, let skipping): values.count - skipping
        case .indices(let values): values.count
        }
    }

    /// The addresses of all inputs, valid during `body`.
    static func withPointers<Result>(
        _ inputs: [PlanInput], _ body: ([UnsafeRawPointer?]) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withPointers(inputs[...], [], body)
    }

    private static func withPointers<Result>(
        _ rest: ArraySlice<PlanInput>, _ pointers: [UnsafeRawPointer?],
        _ body: ([UnsafeRawPointer?]) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        switch rest.first {
        case nil:
            return try body(pointers)
        case .floats(let values, let skipping):
            return try values.withBytes { (bytes) throws(Failure) in
                try withPointers(
                    rest.dropFirst(), pointers + [bytes.baseAddress.map { $0 + skipping * 4 }], body)
            }
        case .indices(let values):
            return try values.withBytes { (bytes) throws(Failure) in
                try withPointers(rest.dropFirst(), pointers + [bytes.baseAddress], body)
            }
        }
    }
}
