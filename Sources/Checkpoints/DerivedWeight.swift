public import GroupFormats
public import Storage

/// A weight whose numbers are not stored as they are, but follow from what is: codes with scales, parts that belong together.
///
/// Its rows are those of a matrix: of its last extent's columns or, if it is a convolution (of rank 4 and more), of a kernel in each
/// row; those of a vector are its elements.
public protocol DerivedWeight: Sendable {
    /// As a checkpoint of full precision names it.
    var name: String { get }
    /// Outermost extent first; N before K.
    var shape: Shape { get }
    /// What its numbers are when read.
    var type: ElementType { get }
    /// The names of the tensors that it is stored as, the one of its codes first.
    var sources: [String] { get }
    /// The codes it is stored as, and whether a bundle can hold those; nil when it is no codes.
    var published: PublishedCodes? { get }

    /// Reads rows as elements of `type`, row-major. Uses little memory, whatever the weight's size.
    /// - Throws: `.badInput` when a scale is NaN or infinite.
    /// - Precondition: `rows` are rows of this weight, and `out` has their size.
    func readRows(_ rows: Range<Int>, into out: UnsafeMutableRawBufferPointer) throws(Failure)

    /// Writes rows in the form that holds their codes exactly, as a matrix of their own: tiles, the last one filled up with
    /// zeros.
    /// - Throws: `.badInput` when a scale is NaN or infinite.
    /// - Precondition: `published` has an exact form, `rows` are rows of this weight, at least one, and `out` has the size of a
    ///   matrix of them in that form.
    func writeTiles(_ rows: Range<Int>, into out: UnsafeMutableRawBufferPointer) throws(Failure)
}

extension DerivedWeight {
    /// Elements of a row.
    public var rowLength: Int {
        switch shape.rank {
        case 0, 1: 1
        case 2, 3: shape.extents[shape.rank - 1]
        default: shape.count / max(1, shape.extents[0])
        }
    }

    /// No codes.
    public var published: PublishedCodes? { nil }

    /// Nothing to write: no form holds it exactly.
    public func writeTiles(_ rows: Range<Int>, into out: UnsafeMutableRawBufferPointer) throws(Failure) {
        preconditionFailure("'\(name)' has no codes that tiles hold exactly")
    }
}
