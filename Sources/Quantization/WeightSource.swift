public import GroupFormats
public import Storage

/// A weight as it is before quantization.
public struct SourceWeight: Equatable, Sendable {
    /// The name of its slot in the graph.
    public let name: String
    /// `[N, K]`, outputs first, or rank 1.
    public let shape: Shape
    /// What its rows are read as: a floating-point type.
    public let type: ElementType
    /// The codes that its rows are made from; nil when they are stored as `type`.
    public let codes: PublishedCodes?
    /// The names of the checkpoint's tensors that it comes from.
    public let sources: [String]
    /// What was done to them so far, for people to read.
    public let note: String

    /// A weight of a floating-point type.
    public init(
        name: String, shape: Shape, type: ElementType, codes: PublishedCodes? = nil, sources: [String] = [],
        note: String = ""
    ) {
        self.name = name
        self.shape = shape
        self.type = type
        self.codes = codes
        self.sources = sources
        self.note = note
    }

    /// N; 1 for rank 1.
    var rowCount: Int { shape.rank == 2 ? shape.extents[0] : 1 }
    /// K.
    var columnCount: Int { shape.extents.last ?? 1 }
    /// The rows of one of `count` experts that share it.
    func rows(of expert: Int, _ count: Int) -> Range<Int> {
        expert * (rowCount / count)..<(expert + 1) * (rowCount / count)
    }
    var rowBytes: Int { columnCount * type.width }
    var byteCount: Int { rowCount * rowBytes }
}

/// Where weights come from: a bundle of full precision, or a checkpoint on its way into one.
public protocol WeightSource {
    /// In the order in which they are to lie in the bundle.
    var weights: [SourceWeight] { get }

    /// Lends rows of `weights[index]`, row-major; a weight of rank 1 is one row.
    ///
    /// Rows are asked for once, by several threads at a time: whatever held them may go afterwards.
    func withRows(
        _ rows: Range<Int>, of index: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure)

    /// Lends rows of `weights[index]`, whose codes can be held exactly, as the tiles of that encoding.
    ///
    /// The first row is a multiple of 16. Rows are asked for once, either so or by `withRows`.
    func withTiles(
        _ rows: Range<Int>, of index: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure)
}
