import CKernels
import Glibc
import GraphIR
import Threads

extension Executor {
    /// The cosines of all rows, then the sines, of position times frequency, in float32 as the reference computes them.
    func fill(
        _ table: RotaryFrequencies, promptLength: Int, _ positions: UnsafePointer<Int32>,
        _ result: Plan.Operand
    ) {
        let rows = extents(result.rows)
        let frequencies = table.frequencies(promptLength: promptLength)
        let half = frequencies.count
        pool.run(rows, grain: max(1, 2048 / max(1, half))) { chunk in
            for row in chunk {
                let cosines = floats(result) + row * half
                let sines = cosines + rows * half
                for j in 0..<half {
                    let angle = Float(positions[table.axes[j] * rows + row]) * frequencies[j]
                    cosines[j] = cosf(angle)
                    sines[j] = sinf(angle)
                }
            }
        }
    }

    func rotate(_ x: Plan.Operand, _ table: Plan.Operand, _ heads: Int, _ headDimension: Int) {
        let half = headDimension / 2
        let sines = extents(x.rows) * half
        forRows(of: x) { rows in
            let angles = floats(table) + rows.lowerBound * half
            tsr_rotary(
                floats(x) + rows.lowerBound * x.pitch, x.pitch, rows.count, heads, headDimension,
                headDimension,
                angles, angles + sines)
        }
    }

    /// Appends keys and values to the cache and attends to all of it up to each query.
    func attendCausally(
        _ q: Plan.Operand, _ k: Plan.Operand, _ v: Plan.Operand, _ attention: Operation.Attention,
        _ layer: Int,
        _ result: Plan.Operand
    ) {
        guard let cache else { return }
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
    func attendInSegments(
        _ q: Plan.Operand, _ k: Plan.Operand, _ v: Plan.Operand, _ attention: Operation.Attention,
        _ boundaries: UnsafePointer<Int32>, _ tiles: Int?, _ result: Plan.Operand
    ) {
        let call = whole(q, k, v, attention, result)
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
    func attendInWindows(
        _ q: Plan.Operand, _ k: Plan.Operand, _ v: Plan.Operand, _ attention: Operation.Attention,
        _ windows: UnsafePointer<Int32>, _ isCoded: Bool, _ result: Plan.Operand
    ) {
        let rows = extents(q.rows)
        let (call, starts) = (whole(q, k, v, attention, result), windows + rows)
        pool.run(rows, grain: 64) { chunk in
            var call = call
            for start in chunk where Int(starts[start]) == start {
                var end = start + 1
                while end < rows, Int(starts[end]) == start { end += 1 }
                for head in 0..<attention.heads {
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
    func attendToAll(
        _ q: Plan.Operand, _ k: Plan.Operand, _ v: Plan.Operand, _ attention: Operation.Attention,
        _ tiles: Int?, _ result: Plan.Operand
    ) {
        let call = whole(q, k, v, attention, result)
        let (queries, keys) = (extents(q.rows), extents(k.rows))
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
    private func whole(
        _ q: Plan.Operand, _ k: Plan.Operand, _ v: Plan.Operand, _ attention: Operation.Attention,
        _ result: Plan.Operand
    ) -> tsr_attention {
        let head = attention.headDimension
        return tsr_attention(
            q: floats(q), q_stride: q.pitch, cache_type: TSR_F32, k: floats(k), v: floats(v),
            k_row_stride: k.pitch, v_row_stride: v.pitch, k_head_stride: head, v_head_stride: head,
            y: floats(result), y_stride: result.pitch, heads: attention.heads, kv_heads: attention.keyHeads,
            head_dim: head, scale: 1 / Float(head).squareRoot())
    }

    /// Multiplies each row by max(1, ln(position + 1) / ln(length)).
    func scaleByLength(_ x: Plan.Operand, _ positions: UnsafePointer<Int32>, _ length: Int) {
        let scale = 1 / log(Double(length))
        forRows(of: x) { rows in
            for row in rows where Int(positions[row]) >= length {
                let factor = Float(log(Double(positions[row]) + 1) * scale)
                let target = floats(x) + row * x.pitch
                for column in 0..<x.columns { target[column] *= factor }
            }
        }
    }
}
