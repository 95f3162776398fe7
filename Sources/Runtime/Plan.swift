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

    /// What is done; payloads are plain numbers. Attention but to a cache is done on 16-bit codes where it has tiles for them or
    /// says so, else in float32.
    enum Step {
        /// Rows of a table, whose bands are these matrices.
        case embed(bands: Range<Int>, ids: Int, result: Operand)
        case quantize(Operand, group: Int, into: Int)
        /// Products with quantized weights that share the activations in a buffer.
        case packedProducts(Range<Int>, activations: Int)
        /// Products with float weights that share an operand.
        case floatProducts(Range<Int>, Operand)
        /// Experts' products with what is routed to them.
        case expertProducts(ExpertProducts)
        /// A weight as it is.
        case parameter(weight: Int, result: Operand)
        case positionTable(
            weight: Int, Operation.Interpolation, coordinates: Int, segments: Int, result: Operand)
        case rmsNorm(Operand, heads: Int, weight: Int, epsilon: Float, result: Operand)
        case layerNorm(Operand, weight: Int, bias: Int, epsilon: Float, result: Operand)
        case activate(Operation.Activation, Operand, result: Operand)
        case gate(Operation.Activation, Operand, Operand, result: Operand)
        case add(Operand, Operand, result: Operand)
        case copy(Operand, result: Operand)
        case select(Operand, index: Int, result: Operand)
        case scatter(Operand, rows: Operand, index: Int)
        case addRows(Operand, rows: Operand, index: Int)
        case route(Operand, chosen: Int, result: Operand)
        case weightedSum(Operand, routes: Operand, chosen: Int, result: Operand)
        case rotaryTable(Int, positions: Int, promptLength: Int?, result: Operand)
        case lengthScale(Operand, positions: Int, length: Int)
        case windows(coordinates: Int, segments: Int, side: Int, into: Int)
        case rotate(Operand, table: Operand, heads: Int, headDimension: Int)
        case attendCausally(
            q: Operand, k: Operand, v: Operand, Operation.Attention, layer: Int, result: Operand)
        case attendInSegments(
            q: Operand, k: Operand, v: Operand, Operation.Attention, boundaries: Int, tiles: Int?,
            result: Operand)
        case attendInWindows(
            q: Operand, k: Operand, v: Operand, Operation.Attention, windows: Int, isCoded: Bool,
            result: Operand)
        case attendToAll(
            q: Operand, k: Operand, v: Operand, Operation.Attention, tiles: Int?, result: Operand)
    }

    /// Products of experts' weights that share an operand and its routes, with memory to sort the rows by expert.
    struct ExpertProducts {
        var products: Range<Int>
        let x: Operand
        let routes: Operand
        let experts: Int
        let chosen: Int
        /// Buffers: the choices sorted by expert, where each expert's begin, their operands, and the widest result.
        let order, starts, gathered, outputs: Int
    }

    /// A value that a person may ask about, ready after a step.
    struct Mark {
        let step: Int
        let name: String
        let operand: Operand
    }

    var steps: [Step] = []
    /// All steps, in order.
    var passes: [Pass] = []
    var products: [Product] = []
    var rotaryTables: [RotaryFrequencies] = []
    var buffers: [Buffer] = []
    var marks: [Mark] = []
    /// The inputs' types in order.
    var inputs: [Graph.Value] = []
    /// What the inputs' numbers must be, by their number.
    var bounds: [(input: Int, bound: Bound)] = []
    /// What comes of it; one for a whole graph.
    var results: [Operand] = []

    /// What comes of a whole graph.
    var output: Operand { results[0] }
}
