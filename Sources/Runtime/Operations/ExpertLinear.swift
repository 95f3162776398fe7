import CKernels
import GraphIR
import Storage
import Threads

extension Operation.ExpertLinear: LoweredOperation {
    /// The experts' linears from this one on that read the same value by the same routes, as one step.
    func lower(_ node: Graph.Node, at index: Int, in compiler: inout PlanCompiler) throws(Failure)
        -> Plan.Operand
    {
        let start = compiler.plan.products.count
        var form: (columns: Int, group: Int?) = (0, nil)
        var widest = 0
        for (number, next) in compiler.nodes[index...].enumerated() {
            guard case .expertLinear(let linear) = next.operation, next.operands == node.operands,
                (linear.experts, linear.chosen) == (experts, chosen)
            else { break }
            let weight = try compiler.weights.matrixIndex(linear.use.weight)
            let matrix = compiler.weights.matrices[weight]
            if number == 0 { form = (matrix.columns, matrix.activationGroup) }
            guard form == (matrix.columns, matrix.activationGroup) else { break }
            let result = compiler.newOperand(for: next.result)
            compiler.take(result, next.result)
            compiler.plan.products.append(Plan.Product(weight: weight, bias: -1, result: result))
            widest = max(widest, result.columns / chosen)
        }
        let (x, routes) = (try compiler.operand(node.operands[0]), try compiler.operand(node.operands[1]))
        let gathered: Plan.Buffer.Kind =
            form.group.map { .activations(columns: form.columns, group: $0) } ?? .floats(width: form.columns)
        compiler.emit(
            ExpertProducts(
                products: start..<compiler.plan.products.count, x: x, routes: routes, experts: experts,
                chosen: chosen, order: compiler.addBuffer(.floats(width: chosen), rows: x.rows),
                starts: compiler.addBuffer(.floats(width: experts + 1), rows: .fixed(1)),
                gathered: compiler.addBuffer(gathered, rows: x.rows, copies: chosen),
                // An expert's first row may lie within a tile.
                outputs: compiler.addBuffer(.floats(width: widest + 16), rows: x.rows, copies: chosen)))
        return try compiler.operand(node.result)
    }
}

/// Products of experts' weights that share an operand and its routes, with memory to sort the rows by expert.
struct ExpertProducts: Step {
    let products: Range<Int>
    let x: Plan.Operand
    let routes: Plan.Operand
    let experts: Int
    let chosen: Int
    /// Buffers: the choices sorted by expert, where each expert's begin, their operands, and the widest result.
    let order, starts, gathered, outputs: Int

    func accesses(in plan: Plan) -> [Plan.Access] {
        [
            .read(x), .read(routes), .write(order, chosen, x.rows), .write(starts, experts + 1, .fixed(1)),
            .whole(gathered, isWritten: true), .whole(outputs, isWritten: true),
        ] + plan.products[products].map { .write($0.result) }
    }

    func run(in executor: Executor) { executor.expertProducts(self) }
}

/// A choice is a token's k-th expert, its number token · chosen + k.
extension Executor {
    /// Sorts the choices by expert, so that each expert's weights meet all their rows at once, then multiplies.
    fileprivate func expertProducts(_ step: ExpertProducts) {
        let tokens = extents(step.x.rows)
        guard tokens > 0 else { return }
        sortChoices(step, tokens)
        gather(step, tokens)
        for product in plan.products[step.products] {
            multiply(product, step)
            scatter(product, step, tokens)
        }
    }

    private func sortChoices(_ step: ExpertProducts, _ tokens: Int) {
        let (order, starts) = (indices(step.order), indices(step.starts))
        func expert(_ choice: Int) -> Int {
            let number = (floats(step.routes) + choice / step.chosen * step.routes.pitch)[
                choice % step.chosen]
            // Routes are numbers computed: one that is no expert's must not lead outside the weights.
            return number >= 0 && number < Float(step.experts) ? Int(number) : 0
        }
        starts.update(repeating: 0, count: step.experts + 1)
        for choice in 0..<tokens * step.chosen { starts[expert(choice) + 1] += 1 }
        for index in 0..<step.experts { starts[index + 1] += starts[index] }
        for choice in 0..<tokens * step.chosen {
            let expert = expert(choice)
            order[Int(starts[expert])] = Int32(choice)
            starts[expert] += 1
        }
        // Each start has moved to its expert's end, which is where the next begins.
        for index in (0..<step.experts).reversed() { starts[index + 1] = starts[index] }
        starts[0] = 0
    }

    /// The operands of the choices in their order, quantized where the weights are.
    private func gather(_ step: ExpertProducts, _ tokens: Int) {
        let order = indices(step.order)
        let columns = weights.matrices[plan.products[step.products.lowerBound].weight].columns
        let isShared = step.x.columns == columns
        func source(_ place: Int) -> UnsafeMutablePointer<Float> {
            let choice = Int(order[place])
            let row = floats(step.x) + choice / step.chosen * step.x.pitch
            return isShared ? row : row + choice % step.chosen * columns
        }
        let grain = max(1, 16384 / columns)
        guard case .activations(_, let group) = plan.buffers[step.gathered].kind else {
            let target = UnsafeMutableRawPointer(indices(step.gathered)).assumingMemoryBound(to: Float.self)
            pool.run(tokens * step.chosen, grain: grain) { chunk in
                for place in chunk { (target + place * columns).update(from: source(place), count: columns) }
            }
            return
        }
        let target = activations(step.gathered)
        pool.run(tokens * step.chosen, grain: grain) { chunk in
            for place in chunk {
                tsr_quantize_rows(
                    source(place), columns, 1, columns, UInt32(group),
                    UnsafeMutablePointer(mutating: target.codes) + place * target.padded_columns,
                    UnsafeMutablePointer(mutating: target.scales) + place * target.groups,
                    UnsafeMutablePointer(mutating: target.sums) + place * target.groups)
            }
        }
    }

    /// Blocks of 16 of an expert's rows that a product has, counted from the tile in which the first lies.
    private func blocks(_ rows: Int) -> Int { (rows + 15 + 15) / 16 }

    /// Each chosen expert's rows times the operands of its choices, into `outputs`, shared by blocks of rows.
    private func multiply(_ product: Plan.Product, _ step: ExpertProducts) {
        let starts = indices(step.starts)
        let rows = product.result.columns / step.chosen
        let perExpert = blocks(rows)
        let pitch = rows + 16
        let outputs = UnsafeMutableRawPointer(indices(step.outputs)).assumingMemoryBound(to: Float.self)
        let chosen = (0..<step.experts).filter { starts[$0] < starts[$0 + 1] }
        guard !chosen.isEmpty else { return }
        let matrix = weights.matrices[product.weight]
        let chunks = ProductChunks(
            tiles: perExpert, tokens: max(1, Int(starts[step.experts]) / chosen.count),
            columns: matrix.columns,
            threads: max(1, pool.threads / chosen.count))
        let grain = min(perExpert, chunks.tileGrain), parts = (perExpert + grain - 1) / grain
        pool.run(chosen.count * parts, grain: 1) { chunk in
            for item in chunk {
                let (expert, first) = (chosen[item / parts], item % parts * grain)
                let choices = Int(starts[expert])..<Int(starts[expert + 1])
                multiply(
                    matrix, expert * rows..<(expert + 1) * rows,
                    blocks: first..<min(perExpert, first + grain),
                    choices, step, outputs + choices.lowerBound * pitch, pitch)
            }
        }
    }

    /// One expert's product: y[choice · pitch + n] for its rows n, counted from the tile of the first.
    private func multiply(
        _ matrix: Weights.Matrix, _ rows: Range<Int>, blocks: Range<Int>, _ choices: Range<Int>,
        _ step: ExpertProducts, _ y: UnsafeMutablePointer<Float>, _ pitch: Int
    ) {
        let firstTile = rows.lowerBound / 16
        switch matrix {
        case .packed(let whole):
            let tileBytes = tsr_packed_tile_bytes(
                whole.columns, whole.bits, whole.group, whole.scales)
            var part = whole
            part.tiles += firstTile * tileBytes
            part.rows = rows.upperBound - firstTile * 16
            let last = min(blocks.upperBound, (part.rows + 15) / 16)
            guard blocks.lowerBound < last else { return }
            var x = activations(step.gathered)
            x.codes += choices.lowerBound * x.padded_columns
            x.scales += choices.lowerBound * x.groups
            x.sums += choices.lowerBound * x.groups
            x.tokens = choices.count
            tsr_packed_product(&part, blocks.lowerBound, last, &x, 0, choices.count, nil, y, pitch)
        case .float(let type, let base, _, let columns):
            let shift = firstTile * 16
            let first = max(rows.lowerBound, shift + blocks.lowerBound * 16)
            let last = min(rows.upperBound, shift + blocks.upperBound * 16)
            guard first < last else { return }
            let x = UnsafeRawPointer(indices(step.gathered)).assumingMemoryBound(to: Float.self)
            // The kernel counts rows from the matrix's first.
            tsr_float_product(
                type, base, columns, first, last, x + choices.lowerBound * columns, columns, 0, choices.count,
                nil,
                y - shift, pitch)
        }
    }

    /// Takes the outputs to where their choices stand.
    private func scatter(_ product: Plan.Product, _ step: ExpertProducts, _ tokens: Int) {
        let (order, starts) = (indices(step.order), indices(step.starts))
        let rows = product.result.columns / step.chosen
        let outputs = UnsafeMutableRawPointer(indices(step.outputs)).assumingMemoryBound(to: Float.self)
        pool.run(step.experts, grain: 8) { experts in
            for expert in experts {
                for place in Int(starts[expert])..<Int(starts[expert + 1]) {
                    let choice = Int(order[place])
                    let target = floats(product.result) + choice / step.chosen * product.result.pitch
                    (target + choice % step.chosen * rows).update(
                        from: outputs + place * (rows + 16) + expert * rows % 16, count: rows)
                }
            }
        }
    }
}
