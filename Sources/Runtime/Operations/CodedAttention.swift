import CKernels
import Threads

/// Keys and values of a head as 16-bit codes, so many keys a tile.
struct KeyTiles {
    /// Keys and bytes of a tile.
    let keys, bytes: Int

    init(_ headDimension: Int) {
        (keys, bytes) = (tsr_code_tile_keys(headDimension), tsr_code_tile_bytes(headDimension))
    }

    /// Tiles of so many keys.
    func count(_ keys: Int) -> Int { keys / self.keys + (keys % self.keys > 0 ? 1 : 0) }
}

extension Executor {
    /// Key heads that there are tiles of at once: enough to share among threads, few enough to stay in the caches.
    static let codedHeads = 4

    /// Every query attends to every key; `tiles` is the buffer that some key heads' tiles are made in, once for all queries.
    func attendOnCodes(_ call: tsr_attention, queries: Range<Int>, keys: Range<Int>, _ tiles: Int) {
        guard case .keyTiles(let heads, let headDimension) = plan.buffers[tiles].kind else { return }
        let (base, tile) = (arena + layout.offsets[tiles], KeyTiles(headDimension))
        let (count, share, block) = (tile.count(keys.count), call.heads / call.kv_heads, 48)
        let blocks = (queries.count + block - 1) / block
        for first in stride(from: 0, to: call.kv_heads, by: heads) {
            let keyHeads = min(heads, call.kv_heads - first)
            pool.run(keyHeads * count, grain: 4) { chunk in
                var call = call
                for item in chunk {
                    let begin = keys.lowerBound + item % count * tile.keys
                    tsr_code_tile(
                        &call, first + item / count, begin, min(tile.keys, keys.upperBound - begin),
                        base + item * tile.bytes)
                }
            }
            pool.run(blocks * keyHeads * share, grain: 1) { chunk in
                var call = call
                for item in chunk {
                    let (head, begin) = (item / blocks, queries.lowerBound + item % blocks * block)
                    tsr_attend_coded(
                        &call, first * share + head, begin, min(queries.upperBound, begin + block),
                        base + head / share * count * tile.bytes, keys.count)
                }
            }
        }
    }
}
