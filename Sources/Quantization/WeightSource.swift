public import Bundles
internal import GroupFormats
public import Storage

/// A weight as it is before quantization.
public struct SourceWeight: Equatable, Sendable {
    /// The name of its slot in the graph.
    public let name: String
    /// `[N, K]`, outputs first, or rank 1.
    public let shape: Shape
    /// A floating-point type.
    public let type: ElementType
    /// The names of the checkpoint's tensors that it comes from.
    public let sources: [String]
    /// What was done to them so far, for people to read.
    public let note: String

    /// A weight of a floating-point type.
    public init(
        name: String, shape: Shape, type: ElementType, sources: [String] = [], note: String = ""
    ) {
        self.name = name
        self.shape = shape
        self.type = type
        self.sources = sources
        self.note = note
    }

    /// N; 1 for rank 1.
    var rowCount: Int { shape.rank == 2 ? shape.extents[0] : 1 }
    /// K.
    var columnCount: Int { shape.extents.last ?? 1 }
    var rowBytes: Int { columnCount * type.width }
    var byteCount: Int { rowCount * rowBytes }
}

/// Where weights come from: a bundle of full precision, or a checkpoint on its way into one.
public protocol WeightSource {
    /// In the order in which they are to lie in the bundle.
    var weights: [SourceWeight] { get }

    /// Lends rows of `weights[index]`, row-major; a weight of rank 1 is one row.
    ///
    /// Rows are asked for in order and once: whatever held them may go afterwards.
    func withRows(
        _ rows: Range<Int>, of index: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure)
}

/// The weights of a bundle of full precision.
public struct BundleWeights: WeightSource {
    /// All tensors, in the order of the file.
    public let weights: [SourceWeight]
    private let bundle: Bundle

    /// The weights of `bundle`.
    /// - Throws: `.badInput` when a tensor is in groups already.
    public init(_ bundle: Bundle) throws(Failure) {
        self.bundle = bundle
        var weights: [SourceWeight] = []
        for tensor in bundle.tensors {
            guard case .float(let type) = tensor.encoding else {
                throw .badInput(
                    "is quantized already, as \(tensor.encoding)", file: bundle.path,
                    at: "tensor '\(tensor.name)'",
                    remedy: "start from the bundle of full precision")
            }
            weights.append(
                SourceWeight(
                    name: tensor.name, shape: tensor.shape, type: type, sources: tensor.sources,
                    note: tensor.note))
        }
        self.weights = weights
    }

    /// Lends rows of `weights[index]`; their pages may leave memory afterwards.
    public func withRows(
        _ rows: Range<Int>, of index: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        let mapped = bundle.bytes(of: bundle.tensors[index])
        let width = weights[index].rowBytes
        let range = rows.lowerBound * width..<rows.upperBound * width
        try body(UnsafeRawBufferPointer(rebasing: mapped.bytes[range]))
        let start = mapped.range.lowerBound
        mapped.file.advise(start + range.lowerBound..<start + range.upperBound, .dontNeed)
    }
}
