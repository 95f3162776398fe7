/// How the work of packed products is shared: in chunks of some tiles and some tokens, as many as keep all threads busy.
///
/// An element's bits do not depend on its chunk, so that chunks may depend on the number of threads.
struct ProductChunks: Equatable {
    /// Tiles and tokens of a chunk, but for those at the end.
    let tileGrain: Int, tokenGrain: Int
    private let tiles: Int, tokens: Int

    /// Chunks for each thread, so that one that comes late or is disturbed is not waited for long.
    private static let perThread = 4
    /// A kernel prepares activations for up to so many tiles.
    private static let mostTiles = 16
    /// Fewer tiles than this are not worth what is prepared for them, unless threads would idle.
    private static let fewestTiles = 4
    /// Fewer tokens than this, four blocks of a kernel, are not worth reading weights for once more.
    private static let fewestTokens = 24
    /// Products of a chunk worth claiming: some microseconds.
    private static let leastProducts = 1 << 16

    /// - Parameter columns: of the weights, padded.
    init(tiles: Int, tokens: Int, columns: Int, threads: Int) {
        (self.tiles, self.tokens) = (tiles, tokens)
        let wanted = threads == 1 ? 1 : threads * ProductChunks.perThread
        let isFew = tokens < ProductChunks.fewestTokens
        // Tiles are divided first: weights are then read once.
        var tileGrain = max(isFew ? 1 : ProductChunks.fewestTiles, tiles / wanted)
        tileGrain = min(tileGrain, ProductChunks.mostTiles)
        let missing = (wanted * tileGrain + tiles - 1) / max(1, tiles)
        let pieces = max(1, min(missing, tokens / ProductChunks.fewestTokens))
        // Whole blocks of six tokens.
        tokenGrain = max(1, (tokens + pieces * 6 - 1) / (pieces * 6) * 6)
        if pieces < missing { tileGrain = max(1, tileGrain * pieces / missing) }
        let products = 16 * max(1, columns) * max(1, min(tokenGrain, tokens))
        self.tileGrain = max(tileGrain, (ProductChunks.leastProducts + products - 1) / products)
    }

    private var tokenChunks: Int { (tokens + tokenGrain - 1) / tokenGrain }

    /// How many there are.
    var count: Int { (tiles + tileGrain - 1) / tileGrain * tokenChunks }

    /// The tiles and tokens of a chunk. Those of the same tiles follow each other, so that their weights are still at hand.
    subscript(index: Int) -> (tiles: Range<Int>, tokens: Range<Int>) {
        let (tile, token) = (index / tokenChunks * tileGrain, index % tokenChunks * tokenGrain)
        return (tile..<min(tiles, tile + tileGrain), token..<min(tokens, token + tokenGrain))
    }
}
