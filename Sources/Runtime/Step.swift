import GraphIR
import Storage

/// What is done to buffers of a plan; plain numbers, made once when a graph is compiled.
protocol Step {
    /// Whether rows of what it writes depend on nothing but the same rows of what it reads.
    static var isRowwise: Bool { get }

    /// What it reads and writes: all of it, which buffers' lives and the proof of `Plan.check` rest on.
    func accesses(in plan: Plan) -> [Plan.Access]
    /// What numbers must be that it follows, by the buffer that they are in.
    func bounds(_ weights: Weights) -> [(buffer: Int, bound: Plan.Bound)]
    /// The matrices that it reads whole.
    func matrices(in plan: Plan) -> [Int]
    /// The operands of which the cache has room for tokens' rows alone.
    var cached: [Plan.Operand] { get }

    /// Does it.
    func run(in executor: Executor)
}

extension Step {
    static var isRowwise: Bool { false }
    func bounds(_ weights: Weights) -> [(buffer: Int, bound: Plan.Bound)] { [] }
    func matrices(in plan: Plan) -> [Int] { [] }
    var cached: [Plan.Operand] { [] }
}

/// An operation of which steps can be made.
protocol LoweredOperation {
    /// Adds the steps of node `index`, and says where its result will be. Nodes behind it that join in are lowered, too.
    /// - Throws: `badInput` when a weight is not there as a kernel reads it.
    func lower(_ node: Graph.Node, at index: Int, in compiler: inout PlanCompiler) throws(Failure)
        -> Plan.Operand
}

extension Operation {
    /// It as the compiler takes it; each has a file in `Operations`.
    var lowered: any LoweredOperation {
        switch self {
        case .embedding(let embedding): embedding
        case .linear(let linear): linear
        case .parameter(let parameter): parameter
        case .positionTable(let table): table
        case .expertLinear(let linear): linear
        case .rmsNorm(let norm): norm
        case .layerNorm(let norm): norm
        case .activation(let activation): activation
        case .gatedProduct(let product): product
        case .gateRows: GateRows()
        case .add: Add()
        case .concatenate: Concatenate()
        case .columns(let columns): columns
        case .mergeRows(let merge): merge
        case .selectRows: SelectRows()
        case .scatterRows: ScatterRows()
        case .addRows: AddRows()
        case .route(let route): route
        case .weightedSum(let sum): sum
        case .rotaryTable(let table): table
        case .rotary(let rotary): rotary
        case .lengthScale(let scale): scale
        case .windows(let windows): windows
        case .attention(let attention): attention
        case .causalConvolution(let convolution): convolution
        case .deltaRule(let rule): rule
        }
    }
}
