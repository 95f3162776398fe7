import CKernels
import GraphIR
import Storage
import Threads

extension Operation.Attention: LoweredOperation {
    /// On 16-bit codes where what it reads came of quantized weights.
    func lower(_ node: Graph.Node, at index: Int, in compiler: inout PlanCompiler) throws(Failure)
        -> Plan.Operand
    {
        // A query's result takes its place: nothing else reads it.
        let result =
            compiler.inPlace(node.operands[0], at: index, contiguous: false)
            ?? compiler.newOperand(for: node.result)
        let (q, k, v) = (
            try compiler.operand(node.operands[0]), try compiler.operand(node.operands[1]),
            try compiler.operand(node.operands[2])
        )
        let operands = AttentionOperands(attention: self, q: q, k: k, v: v, result: result)
        if case .causal(let layer) = extent {
            compiler.emit(AttendCausally(operands: operands, layer: layer))
            return result
        }
        var isCoded = true
        for id in node.operands[..<3] where isCoded { isCoded = try compiler.comesOfCodes(id) }
        if extent == .windows {
            compiler.emit(
                AttendInWindows(
                    operands: operands, windows: try compiler.buffer(node.operands[3]), isCoded: isCoded))
            return result
        }
        let kind = Plan.Buffer.Kind.keyTiles(
            heads: min(keyHeads, Executor.codedHeads), headDimension: headDimension)
        let tiles = isCoded ? compiler.addBuffer(kind, rows: k.rows) : nil
        if extent == .segments {
            compiler.emit(
                AttendInSegments(
                    operands: operands, boundaries: try compiler.buffer(node.operands[3]), tiles: tiles))
        } else {
            compiler.emit(AttendToAll(operands: operands, tiles: tiles))
        }
        return result
    }
}

extension PlanCompiler {
    /// Whether a value is what a linear of quantized weights gave, turned, scaled or normalised at most.
    fileprivate func comesOfCodes(_ value: Graph.ValueID) throws(Failure) -> Bool {
        guard let node = nodes.last(where: { $0.result == value }) else { return false }
        switch node.operation {
        case .linear(let linear):
            let bands = try weights.matrixIndices(linear.use.weight)
            return weights.matrices[bands].allSatisfy { $0.activationGroup != nil }
        case .columns, .rotary, .rmsNorm, .layerNorm, .lengthScale: return try comesOfCodes(node.operands[0])
        default: return false
        }
    }
}

/// What attention reads and writes.
struct AttentionOperands {
    let attention: Operation.Attention
    let q, k, v, result: Plan.Operand

    /// With the buffer of tiles, if there is one.
    fileprivate func accesses(_ tiles: Int? = nil) -> [Plan.Access] {
        [.read(q), .read(k), .read(v), .write(result)] + (tiles.map { [.whole($0, isWritten: true)] } ?? [])
    }
}

/// Appends keys and values to the cache and attends to all of it up to each query.
struct AttendCausally: Step {
    let operands: AttentionOperands
    let layer: Int

    func accesses(in plan: Plan) -> [Plan.Access] { operands.accesses() }
    var cached: [Plan.Operand] { [operands.q, operands.k, operands.v] }
    func run(in executor: Executor) { executor.attendCausally(operands, layer) }
}

/// Attends within each segment: on codes where there are tiles for them, else in float32.
struct AttendInSegments: Step {
    let operands: AttentionOperands
    /// A buffer.
    let boundaries: Int
    /// A buffer.
    let tiles: Int?

    func accesses(in plan: Plan) -> [Plan.Access] { operands.accesses(tiles) + [.segments(boundaries)] }

    func bounds(_ weights: Weights) -> [(buffer: Int, bound: Plan.Bound)] {
        [(boundaries, .boundaries(operands.q.rows))]
    }

    func run(in executor: Executor) {
        executor.attendInSegments(operands, executor.indices(boundaries), tiles)
    }
}

/// Attends within each window.
struct AttendInWindows: Step {
    let operands: AttentionOperands
    /// A buffer.
    let windows: Int
    let isCoded: Bool

    func accesses(in plan: Plan) -> [Plan.Access] {
        operands.accesses() + [.read(windows, 2, operands.q.rows)]
    }

    func run(in executor: Executor) {
        executor.attendInWindows(operands, executor.indices(windows), isCoded)
    }
}

/// Every query attends to every key: on codes where there are tiles for them, else in float32.
struct AttendToAll: Step {
    let operands: AttentionOperands
    /// A buffer.
    let tiles: Int?

    func accesses(in plan: Plan) -> [Plan.Access] { operands.accesses(tiles) }
    func run(in executor: Executor) { executor.attendToAll(operands, tiles) }
}

extension Executor {
    /// Appends keys and values to the cache and attends to all of it up to each query.
    fileprivate func attendCausally(_ operands: AttentionOperands, _ layer: Int) {
        guard let cache = cache?.keysAndValues else { return }
        let (q, k, v, result) = (operands.q, operands.k, operands.v, operands.result)
        let attention = operands.attention
        let tokens = extents(q.rows)
        let (keyHeads, head) = (attention.keyHeads, attention.headDimension)
        cache.store(
            floats(k), pitch: k.pitch, tokens: tokens, layer: layer, values: false, keyHeads: keyHeads,
            headDimension: head)
        cache.store(
            floats(v), pitch: v.pitch, tokens: tokens, layer: layer, values: true, keyHeads: keyHeads,
            headDimension: head)
        let (keys, headBytes) = cache.part(layer, values: false)
        let width = tsr_float_width(cache.precision.type)
        let (row, headStride) = (cache.precision.rowBytes(head) / width, headBytes / width)
        let call = tsr_attention(
            q: floats(q), q_stride: q.pitch, cache_type: cache.precision.type, k: keys,
            v: cache.part(layer, values: true).base, k_row_stride: row, v_row_stride: row,
            k_head_stride: headStride, v_head_stride: headStride, y: floats(result), y_stride: result.pitch,
            heads: attention.heads, kv_heads: keyHeads, head_dim: head, scale: 1 / Float(head).squareRoot())
        let past = cache.count
        // Blocks of queries of one head; decoding has one query a head and shares out heads.
        let block = tsr_attention_queries(head)
        let blocks = (tokens + block - 1) / block
        let work = min(tokens, block) * (past + tokens) * head
        pool.run(blocks * attention.heads, grain: max(1, 60_000 / max(1, work))) { chunk in
            var call = call
            for item in chunk {
                let (index, first) = (item % attention.heads, item / attention.heads * block)
                tsr_attend(&call, index, first, min(tokens, first + block), past, 0, 0)
            }
        }
    }

    /// Attends within each segment; boundaries are row numbers, the first 0, the last the number of rows.
    fileprivate func attendInSegments(
        _ operands: AttentionOperands, _ boundaries: UnsafePointer<Int32>, _ tiles: Int?
    ) {
        let (call, attention) = (whole(operands), operands.attention)
        let block = tsr_attention_queries(attention.headDimension)
        for segment in 0..<max(0, extents.segments - 1) {
            let (begin, end) = (Int(boundaries[segment]), Int(boundaries[segment + 1]))
            if let tiles {
                attendOnCodes(call, queries: begin..<end, keys: begin..<end, tiles)
                continue
            }
            let blocks = (end - begin + block - 1) / block
            pool.run(blocks * attention.heads, grain: 1) { chunk in
                var call = call
                for item in chunk {
                    let (index, first) = (item / blocks, begin + item % blocks * block)
                    tsr_attend(&call, index, first, min(end, first + block), -1, begin, end)
                }
            }
        }
    }

    /// Attends within each window; `windows` holds the rows in the order of windows, then for each where its window starts.
    fileprivate func attendInWindows(
        _ operands: AttentionOperands, _ windows: UnsafePointer<Int32>, _ isCoded: Bool
    ) {
        let (rows, heads) = (extents(operands.q.rows), operands.attention.heads)
        let (call, starts) = (whole(operands), windows + rows)
        pool.run(rows, grain: 64) { chunk in
            var call = call
            for start in chunk where Int(starts[start]) == start {
                var end = start + 1
                while end < rows, Int(starts[end]) == start { end += 1 }
                for head in 0..<heads {
                    if isCoded {
                        tsr_attend_coded_rows(&call, head, windows + start, end - start)
                    } else {
                        tsr_attend_rows(&call, head, windows + start, end - start)
                    }
                }
            }
        }
    }

    /// Every query attends to every key.
    fileprivate func attendToAll(_ operands: AttentionOperands, _ tiles: Int?) {
        let (call, attention) = (whole(operands), operands.attention)
        let (queries, keys) = (extents(operands.q.rows), extents(operands.k.rows))
        if let tiles { return attendOnCodes(call, queries: 0..<queries, keys: 0..<keys, tiles) }
        let block = tsr_attention_queries(attention.headDimension)
        let blocks = (queries + block - 1) / block
        pool.run(blocks * attention.heads, grain: 1) { chunk in
            var call = call
            for item in chunk {
                let first = item % blocks * block
                tsr_attend(&call, item / blocks, first, min(queries, first + block), -1, 0, keys)
            }
        }
    }

    /// Attention whose keys and values are operands, not a cache.
    private func whole(_ operands: AttentionOperands) -> tsr_attention {
        let (q, k, v, result) = (operands.q, operands.k, operands.v, operands.result)
        let attention = operands.attention
        let head = attention.headDimension
        return tsr_attention(
            q: floats(q), q_stride: q.pitch, cache_type: TSR_F32, k: floats(k), v: floats(v),
            k_row_stride: k.pitch, v_row_stride: v.pitch, k_head_stride: head, v_head_stride: head,
            y: floats(result), y_stride: result.pitch, heads: attention.heads, kv_heads: attention.keyHeads,
            head_dim: head, scale: 1 / Float(head).squareRoot())
    }
}
