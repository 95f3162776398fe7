import Testing

@testable import Runtime

/// Work of packed products is shared so that any number of threads has something to do.
@Suite struct ProductChunksTests {
    /// Tiles and columns of the products of Qwen2-VL-2B: q, k and v, o, gate and up, down, the tower's qkv and MLP.
    private static let shapes = [
        (128, 1536), (96, 1536), (1120, 1536), (96, 8960), (240, 1280), (320, 1280), (80, 5120),
    ]

    /// The chunks are all tiles by all tokens, each once.
    @Test(arguments: [1, 2, 3, 7, 64, 256])
    func chunksCoverTheProduct(threads: Int) {
        for (tiles, tokens, columns) in [
            (1, 1, 32), (5, 1, 100_000), (128, 1, 1536), (7, 512, 1536), (96, 25, 8960), (3, 1000, 64),
            (33, 47, 100_000), (1120, 513, 1536),
        ] {
            let chunks = ProductChunks(tiles: tiles, tokens: tokens, columns: columns, threads: threads)
            var seen = [Int](repeating: 0, count: tiles * tokens)
            for index in 0..<chunks.count {
                let chunk = chunks[index]
                #expect(!chunk.tiles.isEmpty && !chunk.tokens.isEmpty)
                for tile in chunk.tiles { for token in chunk.tokens { seen[tile * tokens + token] += 1 } }
            }
            #expect(seen.allSatisfy { $0 == 1 })
        }
    }

    /// The longest that a thread has to do when chunks are claimed as threads come free is little more than its share; at one
    /// token, where a chunk must be worth claiming, threads find at least a quarter of the speed that they could give.
    @Test(arguments: [2, 4, 8, 16, 32, 64])
    func threadsShareTheWork(threads: Int) {
        for (tiles, columns) in Self.shapes {
            for (tokens, least) in [(1, 0.25), (6, 0.5), (64, 0.7), (256, 0.8), (512, 0.8)] {
                let chunks = ProductChunks(tiles: tiles, tokens: tokens, columns: columns, threads: threads)
                var busy = [Int](repeating: 0, count: threads)
                for index in 0..<chunks.count {
                    let chunk = chunks[index]
                    guard let free = busy.indices.min(by: { busy[$0] < busy[$1] }) else { return }
                    busy[free] += chunk.tiles.count * chunk.tokens.count
                }
                let share = Double(tiles * tokens) / Double(threads) / Double(busy.max() ?? 1)
                #expect(share >= least, "\(tiles) tiles, \(tokens) tokens, \(threads) threads: \(share)")
            }
        }
    }

    /// A small product is one chunk, which its caller computes; many tokens come with tiles enough for what a kernel prepares.
    @Test func chunksAreWorthClaiming() {
        #expect(ProductChunks(tiles: 4, tokens: 1, columns: 64, threads: 64).count == 1)
        for threads in [1, 2, 4] {
            let chunks = ProductChunks(tiles: 128, tokens: 512, columns: 1536, threads: threads)
            #expect(chunks.tileGrain >= 4 && chunks.tokenGrain % 6 == 0)
        }
    }
}
