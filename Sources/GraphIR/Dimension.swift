/// A quantity that is known only when a graph is run.
public enum Symbol: String, CaseIterable, Sendable {
    /// Tokens of the chunk being evaluated.
    case tokens
    /// Rows of the chunk that come from pictures or videos.
    case visuals
    /// Rows whose result is wanted.
    case outputs
    /// Patches of all pictures encoded together.
    case patches
    /// Boundaries between the segments that attend within themselves: their number plus one.
    case segments
}

/// One extent of a value: a number, or a symbol divided by a constant.
public enum Dimension: Hashable, Sendable {
    case fixed(Int)
    case symbol(Symbol, dividedBy: Int)

    /// No fixed extent is larger: sizes computed from two of them cannot overflow.
    static let largest = 1 << 32

    /// A bare symbol.
    public static func symbol(_ symbol: Symbol) -> Dimension { .symbol(symbol, dividedBy: 1) }

    /// The extent divided by `factor`; nil when a fixed extent is not a multiple, or the divisor would exceed 4096.
    func divided(by factor: Int) -> Dimension? {
        switch self {
        case .fixed(let value): value % factor == 0 ? .fixed(value / factor) : nil
        // The bound is that of the text form, and keeps repeated division from overflowing.
        case .symbol(let symbol, let divisor):
            factor <= 4096 / divisor ? .symbol(symbol, dividedBy: divisor * factor) : nil
        }
    }
}

extension Dimension: CustomStringConvertible {
    /// `1536`, `patches` or `patches/4`.
    public var description: String {
        switch self {
        case .fixed(let value): "\(value)"
        case .symbol(let symbol, 1): symbol.rawValue
        case .symbol(let symbol, let divisor): "\(symbol.rawValue)/\(divisor)"
        }
    }

    /// Reads what `description` writes.
    public init?(_ text: String) {
        if let value = Int(text) {
            guard value > 0 else { return nil }
            self = .fixed(value)
            return
        }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard let name = parts.first, let symbol = Symbol(rawValue: String(name)), parts.count <= 2 else {
            return nil
        }
        guard parts.count == 2 else {
            self = .symbol(symbol)
            return
        }
        guard let divisor = Int(parts[1]), (2...4096).contains(divisor) else { return nil }
        self = .symbol(symbol, dividedBy: divisor)
    }
}

/// The type of a value: what its elements are, and its extents, outermost first.
public struct ValueType: Hashable, Sendable {
    /// What the elements of a value are.
    public enum Element: Sendable {
        /// 32-bit floats.
        case float
        /// 32-bit integers that a caller feeds: token ids, row numbers, positions.
        case index
        /// Floats as `rotaryTable` lays them out, for `rotary` alone: the cosines of all rows, then the sines.
        case angles
        /// Integers as `windows` lays them out, for attention alone: numbers of rows that there are.
        case windows
    }

    /// What the elements are.
    public let element: Element
    /// Outermost first.
    public let extents: [Dimension]

    /// A type from its parts.
    public init(_ element: Element, _ extents: [Dimension]) {
        self.element = element
        self.extents = extents
    }

    /// A matrix of floats.
    public static func rows(_ rows: Dimension, _ columns: Int) -> ValueType {
        ValueType(.float, [rows, .fixed(columns)])
    }

    /// Whether the fixed extents are such that sizes computed from them cannot overflow.
    var isAddressable: Bool {
        extents.allSatisfy { if case .fixed(let extent) = $0 { extent <= Dimension.largest } else { true } }
    }

    /// The number of columns of a float matrix; nil for anything else, angles too.
    public var columns: Int? {
        guard element == .float, extents.count == 2, case .fixed(let columns) = extents[1] else { return nil }
        return columns
    }
}

extension ValueType: CustomStringConvertible {
    /// `float[tokens, 1536]`.
    public var description: String {
        let stored =
            switch element {
            case .float, .angles: "float"
            case .index, .windows: "index"
            }
        return stored + "[" + extents.map(\.description).joined(separator: ", ") + "]"
    }

    /// Reads what `description` writes of values that a caller can feed.
    init?(parsing text: String) {
        guard let open = text.firstIndex(of: "["), text.hasSuffix("]") else { return nil }
        let element: Element
        switch text[..<open] {
        case "float": element = .float
        case "index": element = .index
        default: return nil
        }
        var extents: [Dimension] = []
        for part in text[text.index(after: open)...].dropLast().split(separator: ",") {
            guard let extent = Dimension(String(part.drop { $0 == " " })) else { return nil }
            extents.append(extent)
        }
        self.init(element, extents)
    }
}
