extension Plan.Step {
    /// The buffers that it reads or writes.
    func buffers(_ products: [Plan.Product]) -> [Int] {
        switch self {
        case .embed(_, let ids, let result): [ids, result.buffer]
        case .quantize(let x, _, let into): [x.buffer, into]
        case .packedProducts(let range, let activations): [activations] + products[range].map(\.result.buffer)
        case .floatProducts(let range, let x): [x.buffer] + products[range].map(\.result.buffer)
        case .expertProducts(let experts):
            [
                experts.x.buffer, experts.routes.buffer, experts.order, experts.starts, experts.gathered,
                experts.outputs,
            ] + products[experts.products].map(\.result.buffer)
        case .parameter(_, let result): [result.buffer]
        case .positionTable(_, _, let coordinates, let segments, let result):
            [coordinates, segments, result.buffer]
        case .rmsNorm(let x, _, _, _, let result), .layerNorm(let x, _, _, _, let result):
            [x.buffer, result.buffer]
        case .activate(_, let x, let result), .copy(let x, let result), .route(let x, _, let result):
            [x.buffer, result.buffer]
        case .gate(_, let a, let b, let result), .add(let a, let b, let result),
            .weightedSum(let a, let b, _, let result):
            [a.buffer, b.buffer, result.buffer]
        case .select(let x, let index, let result): [x.buffer, index, result.buffer]
        case .scatter(let x, let rows, let index), .addRows(let x, let rows, let index):
            [x.buffer, rows.buffer, index]
        case .rotaryTable(_, let positions, let length, let result):
            [positions, result.buffer] + (length.map { [$0] } ?? [])
        case .rotate(let x, let table, _, _): [x.buffer, table.buffer]
        case .lengthScale(let x, let positions, _): [x.buffer, positions]
        case .windows(let coordinates, let segments, _, let into): [coordinates, segments, into]
        case .attendCausally(let q, let k, let v, _, _, let result),
            .attendToAll(let q, let k, let v, _, let result):
            [q.buffer, k.buffer, v.buffer, result.buffer]
        case .attendInSegments(let q, let k, let v, _, let bounds, let result),
            .attendInWindows(let q, let k, let v, _, let bounds, let result):
            [q.buffer, k.buffer, v.buffer, bounds, result.buffer]
        }
    }
}
