import GraphIR
import Storage

/// What the symbols stand for in one run.
public struct Extents: Hashable, Sendable {
    /// Tokens of the chunk being evaluated.
    public var tokens = 0
    /// Rows that come from pictures or videos.
    public var visuals = 0
    /// Rows whose result is wanted.
    public var outputs = 0
    /// Patches encoded together.
    public var patches = 0
    /// Boundaries between segments.
    public var segments = 0

    /// The given numbers; what a graph does not use may be 0.
    public init(tokens: Int = 0, visuals: Int = 0, outputs: Int = 0, patches: Int = 0, segments: Int = 0) {
        self.tokens = tokens
        self.visuals = visuals
        self.outputs = outputs
        self.patches = patches
        self.segments = segments
    }

    /// The number that an extent stands for.
    func callAsFunction(_ dimension: Dimension) -> Int {
        switch dimension {
        case .fixed(let value): value
        case .symbol(let symbol, let divisor): self[symbol] / divisor
        }
    }

    /// The same but for a symbol, so that an extent stands for `count`.
    func replacing(_ dimension: Dimension, by count: Int) -> Extents {
        guard case .symbol(let symbol, let divisor) = dimension else { return self }
        var others = self
        others[symbol] = count * divisor
        return others
    }

    /// The number of elements of a value; as many as there can be where that overflows.
    func count(_ type: ValueType) -> Int {
        type.extents.reduce(1) { count, extent in
            let (product, overflow) = count.multipliedReportingOverflow(by: self(extent))
            return overflow ? .max : product
        }
    }

    /// Whether none is negative, nor so large that 32 bits could not number the rows and their experts.
    var areCountable: Bool { Symbol.allCases.allSatisfy { (0...1 << 24).contains(self[$0]) } }

    private subscript(_ symbol: Symbol) -> Int {
        get { self[keyPath: Extents.place(of: symbol)] }
        set { self[keyPath: Extents.place(of: symbol)] = newValue }
    }

    private static func place(of symbol: Symbol) -> WritableKeyPath<Extents, Int> {
        switch symbol {
        case .tokens: \.tokens
        case .visuals: \.visuals
        case .outputs: \.outputs
        case .patches: \.patches
        case .segments: \.segments
        }
    }
}
