import CKernels
import GraphIR
import Storage
import Threads

extension Operation.Linear: LoweredOperation {
    /// The linears from this one on that read the same value: those whose weights, or bands of weights, take it in the same form
    /// are one step.
    func lower(_ node: Graph.Node, at index: Int, in compiler: inout PlanCompiler) throws(Failure)
        -> Plan.Operand
    {
        let source = node.operands[0]
        var pending: [(group: Int?, product: Plan.Product)] = []
        for next in compiler.nodes[index...] {
            guard case .linear(let linear) = next.operation, next.operands[0] == source else { break }
            let result = compiler.newOperand(for: next.result)
            compiler.take(result, next.result)
            pending += try linear.products(into: result, compiler.weights)
        }
        while let group = pending.first.map(\.group) {
            let start = compiler.plan.products.count
            compiler.plan.products += pending.filter { $0.group == group }.map(\.product)
            pending.removeAll { $0.group == group }
            let products = start..<compiler.plan.products.count
            if let group {
                compiler.emit(
                    PackedProducts(
                        products: products, activations: try compiler.quantize(source, group: group)))
            } else {
                compiler.emit(FloatProducts(products: products, x: try compiler.operand(source)))
            }
        }
        return try compiler.operand(node.result)
    }

    /// A product for each band of the weight, with the columns that share a scale in what it is multiplied by.
    private func products(
        into result: Plan.Operand, _ weights: Weights
    ) throws(Failure) -> [(group: Int?, product: Plan.Product)] {
        let vector = try bias.map(weights.vectorIndex) ?? -1
        var products: [(group: Int?, product: Plan.Product)] = []
        var row = 0
        for weight in try weights.matrixIndices(use.weight) {
            let matrix = weights.matrices[weight]
            var part = result
            (part.column, part.columns) = (row, matrix.rows)
            products.append(
                (
                    matrix.activationGroup,
                    Plan.Product(weight: weight, bias: vector, firstRow: row, result: part)
                ))
            row += matrix.rows
        }
        return products
    }
}

/// Rounds activations to int8 with a scale for each group of columns.
struct Quantize: Step {
    static let isRowwise = true
    let x: Plan.Operand
    let group: Int
    /// A buffer.
    let into: Int

    func accesses(in plan: Plan) -> [Plan.Access] { [.read(x), .whole(into, isWritten: true)] }

    func run(in executor: Executor) {
        let target = executor.activations(into)
        executor.forRows(of: x) { rows in
            let first = rows.lowerBound
            tsr_quantize_rows(
                executor.floats(x) + first * x.pitch, x.pitch, rows.count, x.columns, UInt32(group),
                UnsafeMutablePointer(mutating: target.codes) + first * target.padded_columns,
                UnsafeMutablePointer(mutating: target.scales) + first * target.groups,
                UnsafeMutablePointer(mutating: target.sums) + first * target.groups)
        }
    }
}

/// Products with quantized weights that share the activations in a buffer.
struct PackedProducts: Step {
    static let isRowwise = true
    let products: Range<Int>
    /// A buffer.
    let activations: Int

    func accesses(in plan: Plan) -> [Plan.Access] {
        [.whole(activations, isWritten: false)] + plan.products[products].map { .write($0.result) }
    }

    func matrices(in plan: Plan) -> [Int] { plan.products[products].map(\.weight) }

    func run(in executor: Executor) {
        executor.packedProducts(products, executor.activations(activations))
    }
}

/// Products with float weights that share an operand.
struct FloatProducts: Step {
    static let isRowwise = true
    let products: Range<Int>
    let x: Plan.Operand

    func accesses(in plan: Plan) -> [Plan.Access] {
        [.read(x)] + plan.products[products].map { .write($0.result) }
    }

    func matrices(in plan: Plan) -> [Int] { plan.products[products].map(\.weight) }

    func run(in executor: Executor) { executor.floatProducts(products, x) }
}

extension Executor {
    /// Products with quantized weights: tiles of all of them are one loop.
    fileprivate func packedProducts(_ range: Range<Int>, _ activations: tsr_activations) {
        var matrices: [(product: Plan.Product, packed: tsr_packed, tiles: Range<Int>)] = []
        var tiles = 0
        for product in plan.products[range] {
            guard case .packed(let packed) = weights.matrices[product.weight] else { continue }
            let count = (packed.rows + 15) / 16
            matrices.append((product, packed, tiles..<tiles + count))
            tiles += count
        }
        guard activations.tokens > 0 else { return }
        let chunks = ProductChunks(
            tiles: tiles, tokens: activations.tokens, columns: activations.padded_columns,
            threads: pool.threads)
        pool.run(chunks.count, grain: 1) { part in
            var x = activations
            for (chunk, tokens) in part.map({ chunks[$0] }) {
                for (product, packed, span) in matrices where span.overlaps(chunk) {
                    var packed = packed
                    let part = span.clamped(to: chunk)
                    tsr_packed_product(
                        &packed, part.lowerBound - span.lowerBound, part.upperBound - span.lowerBound, &x,
                        tokens.lowerBound, tokens.upperBound,
                        product.bias < 0 ? nil : weights.vectors[product.bias] + product.firstRow,
                        floats(product.result), product.result.pitch)
                }
            }
        }
    }

    /// Products with float weights.
    fileprivate func floatProducts(_ range: Range<Int>, _ x: Plan.Operand) {
        let tokens = extents(x.rows)
        guard tokens > 0 else { return }
        for product in plan.products[range] {
            guard case .float(let type, let base, let rows, let columns) = weights.matrices[product.weight]
            else { continue }
            if let largeProduct, tokens >= LargeProduct.fewestTokens {
                self.largeProduct(largeProduct, product, type, base, rows, columns, x, tokens)
                continue
            }
            let bias = product.bias < 0 ? nil : weights.vectors[product.bias] + product.firstRow
            let grain = max(16, 400_000 / max(1, columns * tokens) / 16 * 16)
            pool.run(rows, grain: grain) { chunk in
                tsr_float_product(
                    type, base, columns, chunk.lowerBound, chunk.upperBound, floats(x), x.pitch, 0, tokens,
                    bias,
                    floats(product.result), product.result.pitch)
            }
        }
    }

    /// One product in panels of widened weights, each panel by one thread.
    private func largeProduct(
        _ large: LargeProduct, _ product: Plan.Product, _ type: tsr_float_type, _ base: UnsafeRawPointer,
        _ rows: Int,
        _ columns: Int, _ x: Plan.Operand, _ tokens: Int
    ) {
        let panelRows = LargeProduct.panelRows(rows)
        pool.run((rows + panelRows - 1) / panelRows, grain: 1) { panels in
            for panel in panels {
                let first = panel * panelRows
                let count = min(panelRows, rows - first)
                let y = floats(product.result) + first
                for token in 0..<tokens {
                    let row = y + token * product.result.pitch
                    if product.bias < 0 {
                        row.update(repeating: 0, count: count)
                    } else {
                        row.update(
                            from: weights.vectors[product.bias] + product.firstRow + first, count: count)
                    }
                }
                let source = base + first * columns * tsr_float_width(type)
                if type == TSR_F32 {
                    large.call(
                        source.assumingMemoryBound(to: Float.self), count, columns, floats(x), x.pitch,
                        tokens, y,
                        product.result.pitch)
                    continue
                }
                withUnsafeTemporaryAllocation(of: Float.self, capacity: count * columns) { panel in
                    guard let widened = panel.baseAddress else { return }
                    tsr_to_f32(type, source, count * columns, widened)
                    large.call(widened, count, columns, floats(x), x.pitch, tokens, y, product.result.pitch)
                }
            }
        }
    }
}
