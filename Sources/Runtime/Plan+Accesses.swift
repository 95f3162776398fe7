import GraphIR

extension Plan {
    /// A part of a buffer that a step reads or writes.
    struct Access {
        enum Part {
            /// Rows of floats.
            case rows(Operand)
            /// So many integers for each of the rows.
            case numbers(Int, Dimension)
            /// Memory that the step alone uses, or that quantized activations are kept in.
            case whole
        }

        let buffer: Int
        let part: Part
        let isWritten: Bool

        static func read(_ operand: Operand) -> Access {
            Access(buffer: operand.buffer, part: .rows(operand), isWritten: false)
        }

        static func write(_ operand: Operand) -> Access {
            Access(buffer: operand.buffer, part: .rows(operand), isWritten: true)
        }

        static func read(_ buffer: Int, _ each: Int, _ rows: Dimension) -> Access {
            Access(buffer: buffer, part: .numbers(each, rows), isWritten: false)
        }

        static func write(_ buffer: Int, _ each: Int, _ rows: Dimension) -> Access {
            Access(buffer: buffer, part: .numbers(each, rows), isWritten: true)
        }

        static func whole(_ buffer: Int, isWritten: Bool) -> Access {
            Access(buffer: buffer, part: .whole, isWritten: isWritten)
        }

        /// The boundaries of segments.
        static func segments(_ buffer: Int) -> Access { read(buffer, 1, .symbol(.segments)) }
    }
}

extension Plan.Step {
    private func own(_ buffer: Int?) -> [Plan.Access] {
        buffer.map { [.whole($0, isWritten: true)] } ?? []
    }

    /// What it reads and writes: all of it, which buffers' lives and the proof of `Plan.check` rest on.
    func accesses(in plan: Plan) -> [Plan.Access] {
        switch self {
        case .embed(_, let ids, let result): [.read(ids, 1, result.rows), .write(result)]
        case .quantize(let x, _, let into): [.read(x), .whole(into, isWritten: true)]
        case .packedProducts(let range, let activations):
            [.whole(activations, isWritten: false)] + plan.products[range].map { .write($0.result) }
        case .floatProducts(let range, let x): [.read(x)] + plan.products[range].map { .write($0.result) }
        case .expertProducts(let step):
            [
                .read(step.x), .read(step.routes), .write(step.order, step.chosen, step.x.rows),
                .write(step.starts, step.experts + 1, .fixed(1)), .whole(step.gathered, isWritten: true),
                .whole(step.outputs, isWritten: true),
            ] + plan.products[step.products].map { .write($0.result) }
        case .parameter(_, let result): [.write(result)]
        case .positionTable(_, _, let coordinates, let segments, let result):
            [.read(coordinates, 2, result.rows), .segments(segments), .write(result)]
        case .rmsNorm(let x, _, _, _, let result), .layerNorm(let x, _, _, _, let result),
            .activate(_, let x, let result), .copy(let x, let result), .route(let x, _, let result):
            [.read(x), .write(result)]
        case .gate(_, let a, let b, let result), .add(let a, let b, let result),
            .weightedSum(let a, let b, _, let result):
            [.read(a), .read(b), .write(result)]
        case .select(let x, let index, let result): [.read(x), .read(index, 1, result.rows), .write(result)]
        case .scatter(let x, let rows, let index), .addRows(let x, let rows, let index):
            [.write(x), .read(rows), .read(index, 1, rows.rows)]
        case .rotaryTable(let table, let positions, let length, let result):
            [.read(positions, plan.rotaryTables[table].axisCount, result.rows), .write(result)]
                + (length.map { [.read($0, 1, .fixed(1))] } ?? [])
        case .rotate(let x, let table, _, _): [.write(x), .read(table)]
        case .lengthScale(let x, let positions, _): [.write(x), .read(positions, 1, x.rows)]
        case .windows(let coordinates, let segments, _, let into):
            [
                .read(coordinates, 2, plan.buffers[into].rows), .segments(segments),
                .write(into, 2, plan.buffers[into].rows),
            ]
        case .attendCausally(let q, let k, let v, _, _, let result):
            [.read(q), .read(k), .read(v), .write(result)]
        case .attendToAll(let q, let k, let v, _, let tiles, let result):
            [.read(q), .read(k), .read(v), .write(result)] + own(tiles)
        case .attendInSegments(let q, let k, let v, _, let boundaries, let tiles, let result):
            [.read(q), .read(k), .read(v), .segments(boundaries), .write(result)] + own(tiles)
        case .attendInWindows(let q, let k, let v, _, let windows, _, let result):
            [.read(q), .read(k), .read(v), .read(windows, 2, q.rows), .write(result)]
        }
    }
}
