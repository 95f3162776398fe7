import Storage
import Synchronization
import Threads

/// Jobs side by side, each lane with what it needs of its own: small jobs use processors better so than when all share each loop.
struct Lanes<Lane> {
    private let lanes: [Lane]
    private let pool: ThreadPool

    /// More lanes than these bring little, and each takes memory.
    static var most: Int { 4 }

    /// As many lanes as `threads` and jobs ask for.
    /// - Parameter make: gives a lane that has so many threads for itself.
    init(threads: Int, jobs: Int, _ make: (Int) throws(Failure) -> Lane) throws(Failure) {
        let count = max(1, min(threads, jobs, Self.most))
        var lanes: [Lane] = []
        for _ in 0..<count { lanes.append(try make(max(1, threads / count))) }
        self.lanes = lanes
        pool = try ThreadPool(threads: count)
    }

    /// Runs `job` for each of these numbers; after a failure no further one is begun.
    /// - Parameter finish: called after each job, one at a time, in whatever order they end.
    func run<Result>(
        _ jobs: [Int], _ job: (Lane, Int) throws(Failure) -> Result,
        finish: (Int, Result) throws(Failure) -> Void
    ) throws(Failure) {
        let failure = Mutex<Failure?>(nil)
        pool.run(jobs.count, grain: 1) { range, worker in
            for index in range where failure.withLock({ $0 == nil }) {
                do throws(Failure) {
                    let result = try job(lanes[worker], jobs[index])
                    var failed: Failure?
                    failure.withLock { state in
                        guard state == nil else { return }
                        do throws(Failure) { try finish(jobs[index], result) } catch { failed = error }
                    }
                    if let failed { throw failed }
                } catch {
                    failure.withLock { $0 = $0 ?? error }
                }
            }
        }
        if let failure = failure.withLock({ $0 }) { throw failure }
    }
}
