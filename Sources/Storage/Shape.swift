/// The extents of a tensor, outermost first. None is negative and their product fits an `Int`.
public struct Shape: Hashable, Sendable {
    /// Outermost first; none is negative.
    public let extents: [Int]
    /// The number of elements: 1 for a scalar.
    public let count: Int

    /// Nil when an extent is negative or the product overflows.
    public init?(checking extents: [Int]) {
        var count = 1
        for extent in extents {
            let (product, overflow) = count.multipliedReportingOverflow(by: extent)
            if extent < 0 || overflow { return nil }
            count = product
        }
        self.extents = extents
        self.count = count
    }

    /// A row-major matrix.
    public static func matrix(_ rows: Int, _ columns: Int) -> Shape? {
        Shape(checking: [rows, columns])
    }

    /// The number of extents.
    public var rank: Int { extents.count }

    /// The extents in another order.
    /// - Precondition: `order` holds the number of each extent once.
    public func permuted(_ order: [Int]) -> Shape {
        precondition(order.sorted() == Array(extents.indices))
        return Shape(order.map { extents[$0] }, count: count)
    }

    private init(_ extents: [Int], count: Int) {
        self.extents = extents
        self.count = count
    }

    /// The bytes that `count` elements take; nil on overflow.
    public func byteCount(_ type: ElementType) -> Int? {
        let (bytes, overflow) = count.multipliedReportingOverflow(by: type.width)
        return overflow ? nil : bytes
    }
}

extension Shape: CustomStringConvertible {
    /// As in error messages: `[8960, 1536]`.
    public var description: String { "[" + extents.map(String.init).joined(separator: ", ") + "]" }
}
