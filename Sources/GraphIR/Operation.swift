/// The operations of a graph, at the grain at which a weight is used.
///
/// Each has a file in `Operations`, which says what it takes and gives, how it is written and which types are legal;
/// `n` and `m` are any extents there.
public enum Operation: Hashable, Sendable {
    // Where weights are used.
    case embedding(Embedding)
    case linear(Linear)
    case parameter(Parameter)
    case positionTable(PositionTable)
    case expertLinear(ExpertLinear)
    case rmsNorm(RMSNorm)
    case layerNorm(LayerNorm)

    // Element by element.
    case activation(Activation)
    case gatedProduct(GatedProduct)
    case gateRows
    case add

    // Rows and columns.
    case concatenate
    case columns(Columns)
    case mergeRows(MergeRows)
    case selectRows
    case scatterRows
    case addRows

    // Choice of experts.
    case route(Route)
    case weightedSum(WeightedSum)

    // Along the sequence.
    case rotaryTable(RotaryTable)
    case rotary(Rotary)
    case lengthScale(LengthScale)
    case windows(Windows)
    case attention(Attention)
    case causalConvolution(CausalConvolution)
    case deltaRule(DeltaRule)

    /// What it is.
    var definition: any OperationDefinition {
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

    /// All that there are, as `definition` has them: what a file may name.
    static let definitions: [any OperationDefinition.Type] = [
        Embedding.self, Linear.self, Parameter.self, PositionTable.self, ExpertLinear.self, RMSNorm.self,
        LayerNorm.self, Activation.self, GatedProduct.self, GateRows.self, Add.self, Concatenate.self,
        Columns.self,
        MergeRows.self, SelectRows.self, ScatterRows.self, AddRows.self, Route.self, WeightedSum.self,
        RotaryTable.self, Rotary.self, LengthScale.self, Windows.self, Attention.self, CausalConvolution.self,
        DeltaRule.self,
    ]
}
