import CKernels
public import Storage

/// Persistent workers that share the parts of a loop; the caller takes part. One run at a time.
///
/// A part's bounds depend only on the loop, never on the number of threads, so neither do results.
public final class ThreadPool: @unchecked Sendable {
    // The C pool is used by one caller at a time.
    private let pool: OpaquePointer

    /// The caller's included.
    public let threads: Int

    /// As many as there can be in a pool.
    public static let most = 256

    /// A pool of 1 to ``most`` threads, the caller's included.
    /// - Throws: `usage` for any other number and for an instruction set that is not there, `limit` when they cannot be
    ///   started.
    public init(threads: Int) throws(Failure) {
        try InstructionSet.check()
        guard (1...ThreadPool.most).contains(threads) else {
            throw Failure(.usage, "\(threads) threads are not 1 to \(ThreadPool.most)")
        }
        guard let pool = tsr_pool_create(UInt32(threads)) else {
            throw Failure(.limit, "cannot start \(threads) threads")
        }
        self.pool = pool
        self.threads = threads
    }

    deinit { tsr_pool_destroy(pool) }

    /// The threads that make sense: the processors that this process may use, at most ``most``.
    public static var processors: Int { min(Machine.processors, most) }

    /// Calls `body` with ranges that cover `0..<count`, at most `grain` long, and the number, below `threads`, of the
    /// worker that it runs on; returns when all is done.
    public func run(_ count: Int, grain: Int, _ body: (_ part: Range<Int>, _ worker: Int) -> Void) {
        guard count > grain, threads > 1 else {
            for start in stride(from: 0, to: count, by: grain) { body(start..<min(count, start + grain), 0) }
            return
        }
        withoutActuallyEscaping(body) { body in
            var body = body
            withUnsafeMutablePointer(to: &body) { context in
                tsr_pool_run(
                    pool, count, grain,
                    { context, begin, end, worker in
                        context?.assumingMemoryBound(to: ((Range<Int>, Int) -> Void).self).pointee(
                            begin..<end, Int(worker))
                    }, context)
            }
        }
    }

    /// The same for a body that does not ask which worker it runs on.
    public func run(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
        run(count, grain: grain) { part, _ in body(part) }
    }
}
