import CKernels
import Storage
import Threads

/// A product of float weights with many rows at once, by a library that is good at it:
/// y[t·yStride + n] += Σ x[t·xStride + k] · w[n·K + k] for `rows` rows n of f32 weights and all `tokens` t.
public struct LargeProduct: Sendable {
    /// The call.
    public typealias Call =
        @Sendable (
            _ w: UnsafePointer<Float>, _ rows: Int, _ columns: Int, _ x: UnsafePointer<Float>, _ xStride: Int,
            _ tokens: Int,
            _ y: UnsafeMutablePointer<Float>, _ yStride: Int
        ) -> Void

    let call: Call

    /// Fewer tokens than this go through the runtime's own kernels.
    static let fewestTokens = 48
    /// Rows of weights widened and multiplied at a time, of so many: at most what half of a cache holds, and enough panels for
    /// threads to share. By the matrix alone: results do not depend on the threads.
    static func panelRows(_ rows: Int) -> Int { min(384, max(96, rows / 8 / 16 * 16)) }

    /// Wraps a library's call.
    public init(_ call: @escaping Call) { self.call = call }
}

extension Executor {
    /// Products with quantized weights: tiles of all of them are one loop.
    func packedProducts(_ range: Range<Int>, _ activations: tsr_activations) {
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
    func floatProducts(_ range: Range<Int>, _ x: Plan.Operand) {
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
