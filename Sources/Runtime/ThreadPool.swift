import CKernels
import Glibc
public import Storage

/// Persistent workers that share the loops of a step; the caller takes part.
///
/// A chunk's bounds depend only on the loop, never on the number of threads, so neither do the results.
public final class ThreadPool: @unchecked Sendable {
    // The C pool is used by one caller at a time: the context that runs a plan.
    private let pool: OpaquePointer

    /// The caller's included.
    public let threads: Int

    /// A pool of `threads` threads, the caller's included.
    public init(threads: Int) throws(Failure) {
        guard (1...1024).contains(threads) else {
            throw Failure(.usage, "\(threads) threads are not possible")
        }
        guard let pool = tsr_pool_create(UInt32(threads)) else {
            throw Failure(.limit, "cannot start \(threads) threads")
        }
        self.pool = pool
        self.threads = threads
    }

    deinit { tsr_pool_destroy(pool) }

    /// The number of processors this process may use.
    public static var processors: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

    /// Calls `body` with ranges that cover `0..<count`, at most `grain` long, from all threads; returns when all are done.
    func run(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
        guard count > grain, threads > 1 else {
            if count > 0 { body(0..<count) }
            return
        }
        withoutActuallyEscaping(body) { body in
            var body = body
            withUnsafeMutablePointer(to: &body) { context in
                tsr_pool_run(
                    pool, count, grain,
                    { context, begin, end, _ in
                        context?.assumingMemoryBound(to: ((Range<Int>) -> Void).self).pointee(begin..<end)
                    }, context)
            }
        }
    }
}
