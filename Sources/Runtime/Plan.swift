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
        }

        let kind: Kind
        let rows: Dimension
        /// The first and the last step that use it.
        var live: ClosedRange<Int>

        mutating func extendLife(to step: Int) {
            live = min(live.lowerBound, step)...max(live.upperBound, step)
        }
    }

    /// y = x Wᵀ + b for one weight.
    struct Product {
        let weight: Int
        /// The bias's vector, or -1.
        let bias: Int
        let result: Operand
    }

    /// What is done; payloads are plain numbers.
    enum Step {
        case embed(weight: Int, ids: Int, result: Operand)
        case quantize(Operand, group: Int, into: Int)
        /// Products with quantized weights that share the activations in a buffer.
        case packedProducts(Range<Int>, activations: Int)
        /// Products with float weights that share an operand.
        case floatProducts(Range<Int>, Operand)
        case rmsNorm(Operand, weight: Int, epsilon: Float, result: Operand)
        case layerNorm(Operand, weight: Int, bias: Int, epsilon: Float, result: Operand)
        case activate(Operation.Activation, Operand, result: Operand)
        case gate(Operation.Activation, Operand, Operand, result: Operand)
        case add(Operand, Operand, result: Operand)
        case copy(Operand, result: Operand)
        case select(Operand, index: Int, result: Operand)
        case scatter(Operand, rows: Operand, index: Int)
        case rotaryTable(Int, positions: Int, result: Operand)
        case rotate(Operand, table: Operand, heads: Int, headDimension: Int)
        case attendCausally(
            q: Operand, k: Operand, v: Operand, Operation.Attention, layer: Int, result: Operand)
        case attendInSegments(
            q: Operand, k: Operand, v: Operand, Operation.Attention, boundaries: Int, result: Operand)
    }

    /// A value that a person may ask about, ready after a step.
    struct Mark {
        let step: Int
        let name: String
        let operand: Operand
    }

    var steps: [Step] = []
    var products: [Product] = []
    var rotaryTables: [RotaryFrequencies] = []
    var buffers: [Buffer] = []
    var marks: [Mark] = []
    /// The inputs' types in order.
    var inputs: [Graph.Value] = []
    var output: Operand
}

/// Which position axis drives which frequency, for each of the headDimension/2 angles.
struct RotaryFrequencies {
    let axes: [Int]
    let frequencies: [Float]

    /// Frequencies are computed in float32, as the reference does.
    init(_ table: Operation.RotaryTable) {
        let half = table.headDimension / 2
        switch table.layout {
        case .sections(let sections):
            axes = sections.enumerated().flatMap { axis, count in Array(repeating: axis, count: count) }
            frequencies = (0..<half).map {
                RotaryFrequencies.frequency(table.theta, 2 * $0, table.headDimension)
            }
        case .axial(let count):
            let each = half / count
            axes = (0..<half).map { $0 / each }
            frequencies = (0..<half).map {
                RotaryFrequencies.frequency(table.theta, 2 * ($0 % each), half * 2 / count)
            }
        }
    }

    private static func frequency(_ theta: Double, _ numerator: Int, _ denominator: Int) -> Float {
        1 / powf(Float(theta), Float(numerator) / Float(denominator))
    }
}
