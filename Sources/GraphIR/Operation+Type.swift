import Storage

extension Operation {
    /// The type of the result, given the types of the operands and the shapes of the weights.
    ///
    /// The one place that says what is legal: graphs are checked by it when built and again when a bundle is opened.
    /// - Throws: `badInput` saying what does not fit.
    func inferType(_ operands: [ValueType], shapeOf: (String) -> Shape?) throws(Failure) -> ValueType {
        func operand(_ index: Int, columns: Int? = nil) throws(Failure) -> (rows: Dimension, columns: Int) {
            guard let width = operands[index].columns else {
                throw illegal("operand \(index) is no float matrix")
            }
            if let columns, columns != width {
                throw illegal("operand \(index) has \(width) columns, not \(columns)")
            }
            return (operands[index].extents[0], width)
        }
        func index(_ position: Int) throws(Failure) -> Dimension {
            let type = operands[position]
            guard type.element == .index, type.extents.count == 1 else {
                throw illegal("operand \(position) is no list of indices")
            }
            return type.extents[0]
        }
        func shape(_ weight: String, _ rank: Int) throws(Failure) -> [Int] {
            guard let shape = shapeOf(weight) else { throw illegal("weight '\(weight)' is not declared") }
            guard shape.rank == rank else { throw illegal("weight '\(weight)' has shape \(shape)") }
            return shape.extents
        }
        func vector(_ weight: String, _ count: Int) throws(Failure) {
            let found = try shape(weight, 1)
            guard found == [count] else {
                throw illegal("weight '\(weight)' has shape \(found), not [\(count)]")
            }
        }

        guard operandCounts.contains(operands.count) else { throw illegal("has \(operands.count) operands") }
        switch self {
        case .embedding(let use):
            guard try index(0) == .symbol(.tokens) else { throw illegal("takes the ids of tokens") }
            return .rows(.symbol(.tokens), try shape(use.weight, 2)[1])
        case .linear(let use, let bias):
            let x = try operand(0)
            let extents = try shape(use.weight, 2)
            guard extents[1] == x.columns else {
                throw illegal(
                    "weight '\(use.weight)' has shape \(extents), but the operand has \(x.columns) columns")
            }
            if let bias { try vector(bias, extents[0]) }
            return .rows(x.rows, extents[0])
        case .parameter(let weight):
            let extents = try shape(weight, 2)
            return .rows(.fixed(extents[0]), extents[1])
        case .positionTable(let weight, _):
            let extents = try shape(weight, 2)
            let side = Int(Double(extents[0]).squareRoot())
            guard side * side == extents[0] else { throw illegal("has a table of \(extents[0]) rows") }
            return .rows(try places(operands[0], index(1)), extents[1])
        case .expertLinear(let use, let experts, let chosen):
            let routes = try operand(1, columns: try product(2, chosen))
            let extents = try shape(use.weight, 2)
            let (x, parts) = (try operand(0), try product(chosen, extents[1]))
            guard (1...1 << 16).contains(experts), chosen <= experts, extents[0] % experts == 0,
                x.columns == extents[1] || x.columns == parts, x.rows == routes.rows
            else { throw illegal("has \(experts) experts of \(extents) for \(operands[0])") }
            // Choices are numbered in 32 bits.
            if case .fixed(let rows) = x.rows, rows > 1 << 24 { throw illegal("has \(rows) rows") }
            return .rows(x.rows, try product(chosen, extents[0] / experts))
        case .norm(let norm):
            let x = try operand(0)
            guard (norm.kind == .layer) == (norm.bias != nil), norm.heads > 0,
                norm.heads == 1 || norm.kind == .rms, x.columns % norm.heads == 0
            else { throw illegal("has \(norm.heads) heads for \(x.columns) columns") }
            guard (Norm.smallestEpsilon...1).contains(norm.epsilon) else {
                throw illegal("has an epsilon of \(norm.epsilon), not \(Norm.smallestEpsilon) to 1")
            }
            try vector(norm.weight, x.columns / norm.heads)
            if let bias = norm.bias { try vector(bias, x.columns) }
            return operands[0]
        case .activation:
            _ = try operand(0)
            return operands[0]
        case .gatedProduct, .add:
            _ = try operand(0)
            guard operands[0] == operands[1] else { throw illegal("adds \(operands[0]) and \(operands[1])") }
            return operands[0]
        case .concatenate:
            var x = try operand(0)
            for position in operands.indices.dropFirst() {
                let next = try operand(position)
                guard next.rows == x.rows else { throw illegal("has unequal rows") }
                x.columns += next.columns
            }
            return .rows(x.rows, x.columns)
        case .columns(let range):
            let x = try operand(0)
            guard range.lowerBound >= 0, !range.isEmpty, range.upperBound <= x.columns else {
                throw illegal("takes columns \(range) of \(x.columns)")
            }
            return .rows(x.rows, range.count)
        case .mergeRows(let factor):
            let x = try operand(0)
            let (columns, overflow) = x.columns.multipliedReportingOverflow(by: factor)
            guard factor > 1, !overflow, let rows = x.rows.divided(by: factor) else {
                throw illegal("merges \(factor) of \(x.rows) rows")
            }
            return .rows(rows, columns)
        case .selectRows:
            return .rows(try tokenNumbers(operand(0).rows, index(1)), try operand(0).columns)
        case .scatterRows, .addRows:
            let x = try operand(0)
            let rows = try operand(1, columns: x.columns)
            guard try tokenNumbers(x.rows, index(2)) == rows.rows else {
                throw illegal("has not as many indices as rows")
            }
            return operands[0]
        case .route(let chosen):
            let scores = try operand(0)
            guard (1...64).contains(chosen), chosen <= scores.columns, scores.columns <= 1 << 16 else {
                throw illegal("chooses \(chosen) of \(scores.columns)")
            }
            return .rows(scores.rows, 2 * chosen)
        case .weightedSum(let chosen):
            let (x, routes) = (try operand(0), try operand(1, columns: try product(2, chosen)))
            guard x.columns % chosen == 0, x.rows == routes.rows else {
                throw illegal("does not fit its routes")
            }
            return .rows(x.rows, x.columns / chosen)
        case .rotaryTable(let table):
            guard (operands.count == 2) == (table.trainedLength != nil) else {
                throw illegal("has \(operands.count) operands")
            }
            if table.trainedLength != nil, try index(1) != .fixed(1) { throw illegal("takes one length") }
            return try inferType(of: table, positions: operands[0])
        case .lengthScale(let length):
            let x = try operand(0)
            guard length > 1, operands[1] == ValueType(.index, [.fixed(1), x.rows]) else {
                throw illegal("does not fit its positions")
            }
            return operands[0]
        case .windows(let side):
            guard (1...16).contains(side) else { throw illegal("has windows of \(side)²") }
            return ValueType(.windows, [.fixed(2), try places(operands[0], index(1))])
        case .rotary(let heads, let headDimension):
            let x = try operand(0, columns: try product(heads, headDimension))
            guard operands[1] == ValueType(.angles, [x.rows, .fixed(headDimension)]) else {
                throw illegal("takes a rotary_table of its rows and head_dimension, not \(operands[1])")
            }
            return operands[0]
        case .attention(let attention):
            let width = try product(attention.heads, attention.headDimension)
            let keyWidth = try product(attention.keyHeads, attention.headDimension)
            guard attention.headDimension <= 256, attention.heads % attention.keyHeads == 0 else {
                throw illegal(
                    "has \(attention.heads) heads of \(attention.headDimension) on \(attention.keyHeads)")
            }
            let rows = try operand(0, columns: width).rows
            let keys = try operand(1, columns: keyWidth).rows
            guard try operand(2, columns: keyWidth).rows == keys, keys == rows || attention.extent == .all
            else {
                throw illegal("has unequal rows")
            }
            guard operands.count == attention.extent.operandCount else {
                throw illegal("has \(operands.count) operands")
            }
            switch attention.extent {
            case .causal(let layer):
                // The cache has room for tokens, not for any other rows.
                guard layer >= 0, rows == .symbol(.tokens) else {
                    throw illegal("keeps \(rows) rows in layer \(layer) of the cache, which is for tokens")
                }
            case .segments:
                guard try index(3) == .symbol(.segments), rows == .symbol(.patches) else {
                    throw illegal("has segments of what are no patches")
                }
            case .windows:
                guard operands[3] == ValueType(.windows, [.fixed(2), rows]) else {
                    throw illegal("has no windows")
                }
            case .all: break
            }
            return operands[0]
        }
    }

    /// The number of places whose rows and columns in their frames `coordinates` holds: patches, which `segments` bound.
    private func places(_ coordinates: ValueType, _ segments: Dimension) throws(Failure) -> Dimension {
        let patches = Dimension.symbol(.patches)
        guard coordinates == ValueType(.index, [.fixed(2), patches]), segments == .symbol(.segments) else {
            throw illegal("takes coordinates and segments of patches, not \(coordinates)")
        }
        return patches
    }

    /// How many numbers of rows there are. Those fed are numbers of tokens: any others would lead outside `rows`.
    private func tokenNumbers(_ rows: Dimension, _ numbers: Dimension) throws(Failure) -> Dimension {
        guard rows == .symbol(.tokens), numbers == .symbol(.visuals) || numbers == .symbol(.outputs) else {
            throw illegal("takes some tokens' rows, not \(numbers) of \(rows)")
        }
        return numbers
    }

    private func inferType(of table: RotaryTable, positions: ValueType) throws(Failure) -> ValueType {
        guard positions.element == .index, positions.extents.count == 2,
            positions.extents[0] == .fixed(table.axes)
        else { throw illegal("takes \(table.axes) rows of positions, not \(positions)") }
        let head = table.headDimension
        guard head > 0, head <= 256, head % 2 == 0, table.trainedLength.map({ $0 > 0 && head > 2 }) ?? true
        else { throw illegal("has heads of \(head) columns, trained for \(table.trainedLength ?? 0) tokens") }
        guard (1...RotaryTable.largestTheta).contains(table.theta) else {
            throw illegal("has a theta of \(table.theta), not 1 to \(RotaryTable.largestTheta)")
        }
        switch table.layout {
        case .sections(let sections), .interleaved(let sections):
            guard sections.count <= 4, sections.allSatisfy({ (1...256).contains($0) }),
                sections.reduce(0, +) == head / 2
            else {
                throw illegal("has sections \(sections) for \(head / 2) frequencies")
            }
        case .axial(let axes):
            guard (1...4).contains(axes), head % (2 * axes) == 0 else { throw illegal("has \(axes) axes") }
        }
        return ValueType(.angles, [positions.extents[1], .fixed(head)])
    }

    /// How many operands it may have.
    private var operandCounts: ClosedRange<Int> {
        switch self {
        case .parameter: 0...0
        case .embedding, .linear, .norm, .activation, .columns, .mergeRows, .route: 1...1
        case .rotaryTable: 1...2
        case .positionTable, .expertLinear, .gatedProduct, .add, .selectRows, .weightedSum, .lengthScale,
            .windows,
            .rotary:
            2...2
        case .scatterRows, .addRows: 3...3
        case .attention: 3...4
        case .concatenate: 2...64
        }
    }

    private func product(_ a: Int, _ b: Int) throws(Failure) -> Int {
        let (value, overflow) = a.multipliedReportingOverflow(by: b)
        guard a > 0, b > 0, !overflow else { throw illegal("has extents \(a) × \(b)") }
        return value
    }

    private func illegal(_ what: String) -> Failure { .badInput("operation '\(name)' \(what)") }
}

extension Operation.Attention.Extent {
    /// Queries, keys, values, and what bounds the extent.
    fileprivate var operandCount: Int {
        switch self {
        case .causal, .all: 3
        case .segments, .windows: 4
        }
    }
}
