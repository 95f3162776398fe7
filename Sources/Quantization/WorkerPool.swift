internal import CKernels
public import Storage

/// Threads that share the tiles of a tensor; one run at a time.
public final class WorkerPool {
    private let pool: OpaquePointer
    /// The caller's included.
    public let threads: Int

    /// A pool of 1 to 256 threads.
    public init(threads: Int) throws(Failure) {
        guard (1...256).contains(threads) else {
            throw Failure(.usage, "\(threads) threads are not 1 to 256")
        }
        guard let pool = tsr_pool_create(UInt32(threads)) else {
            throw Failure(.limit, "cannot start \(threads) threads")
        }
        self.pool = pool
        self.threads = threads
    }

    deinit { tsr_pool_destroy(pool) }

    /// Calls `body` with every index below `count` and the number, below `threads`, of the worker it runs on.
    func run(_ count: Int, _ body: @Sendable (_ index: Int, _ worker: Int) -> Void) {
        withoutActuallyEscaping(body) { body in
            var body = body
            withUnsafeMutablePointer(to: &body) { body in
                tsr_pool_run(
                    pool, count, 1,
                    { context, begin, end, worker in
                        guard let body = context?.assumingMemoryBound(to: (@Sendable (Int, Int) -> Void).self)
                        else { return }
                        for index in begin..<end { body.pointee(index, Int(worker)) }
                    }, body)
            }
        }
    }
}
