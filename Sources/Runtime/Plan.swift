import Glibc
import GraphIR

/// A graph made ready to run: steps over numbered buffers whose sizes are known once the symbols are.
struct Plan {
    /// Where the elements of a value are: rows of floats in a buffer, `pitch` apart.
    struct Operand {
        var buffer: Int
        /// The first column, in floats.
        var column: Int
        var columns: Int
        var pitch: Int
        var rows: Dimension
    }

    /// Memory that values live in.
    struct Buffer {
        enum Kind {
            /// Given by the caller: input number `index`.
            case input(Int)
            /// Rows of `width` floats in the arena.
            case floats(width: Int)
            /// Quantized activations in the arena.
            case activations(columns: Int, group: Int)
            /// Keys and values of so many heads as 16-bit codes, in tiles.
            case keyTiles(heads: Int, headDimension: Int)
        }

        let kind: Kind
        let rows: Dimension
        /// So many rows for each of `rows`.
        var copies = 1
        /// The first and the last step that use it.
        var live: ClosedRange<Int>
        /// The pass that alone uses it, and takes its rows some at a time.
        var pass: Int?

        mutating func extendLife(to step: Int) {
            live = min(live.lowerBound, step)...max(live.upperBound, step)
        }
    }

    /// y = x Wᵀ + b for one weight, or a band of its rows.
    struct Product {
        let weight: Int
        /// The vector of the whole weight's bias, or -1.
        let bias: Int
        /// The first of the whole weight's rows that these are.
        var firstRow = 0
        let result: Operand
    }

    /// A value that a person may ask about, ready after a step.
    struct Mark {
        let step: Int
        let name: String
        let operand: Operand
    }

    var steps: [any Step] = []
    /// All steps, in order.
    var passes: [Pass] = []
    var products: [Product] = []
    var buffers: [Buffer] = []
    var marks: [Mark] = []
    /// The inputs' types in order.
    var inputs: [Graph.Value] = []
    /// What the inputs' numbers must be, by their number.
    var bounds: [(input: Int, bound: Bound)] = []
    /// What comes of it; one for a whole graph.
    var results: [Operand] = []

    /// The input of that name.
    func input(named name: String) -> Graph.Value? { inputs.first { $0.name == name } }

    /// Whether it has an input of that name.
    func takes(_ name: String) -> Bool { input(named: name) != nil }

    /// What comes of a whole graph.
    var output: Operand { results[0] }
}
