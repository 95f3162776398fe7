import CKernels
import Glibc
import Testing

/// What a run's chunks did: how often each index was visited, and what was out of order.
private struct Visits {
    let counts: UnsafeMutablePointer<UInt8>
    let count, grain: Int
    let threads: UInt32
    let faults: UnsafeMutablePointer<UInt8>
}

private let visit: tsr_task = { context, begin, end, worker in
    guard let visits = context?.assumingMemoryBound(to: Visits.self).pointee else { return }
    if begin % visits.grain != 0 || end != min(begin + visits.grain, visits.count) || worker >= visits.threads
    {
        visits.faults[0] = 1
    }
    for i in begin..<end { visits.counts[i] += 1 }
}

private let meet: tsr_task = { context, _, _, _ in
    if let context { pthread_barrier_wait(context.assumingMemoryBound(to: pthread_barrier_t.self)) }
}

@Suite(.serialized) struct PoolTests {
    /// Runs once and returns whether each index was visited once, in whole chunks, by a worker of the pool.
    func visitsAll(_ pool: OpaquePointer, _ count: Int, _ grain: Int) -> Bool {
        let counts = UnsafeMutablePointer<UInt8>.allocate(capacity: count + 1)
        defer { counts.deallocate() }
        counts.initialize(repeating: 0, count: count + 1)
        var visits = Visits(
            counts: counts, count: count, grain: grain, threads: tsr_pool_threads(pool),
            faults: counts + count)
        tsr_pool_run(pool, count, grain, visit, &visits)
        return (0..<count).allSatisfy { counts[$0] == 1 } && counts[count] == 0
    }

    @Test(arguments: [1, 2, 3, 8]) func everyIndexOnce(_ threads: UInt32) throws {
        let pool = try #require(tsr_pool_create(threads))
        defer { tsr_pool_destroy(pool) }
        #expect(tsr_pool_threads(pool) == threads)
        for count in [0, 1, 2, 7, 64, 1000] {
            for grain in [1, 3, 64, 2000] { #expect(visitsAll(pool, count, grain)) }
        }
    }

    @Test func manyShortRuns() throws {
        let pool = try #require(tsr_pool_create(3))
        defer { tsr_pool_destroy(pool) }
        #expect((0..<3000).allSatisfy { visitsAll(pool, 2 + $0 % 5, 1) })
    }

    /// Pauses longer than a worker spins: each run finds the workers asleep.
    @Test func sleepersWake() throws {
        let pool = try #require(tsr_pool_create(2))
        defer { tsr_pool_destroy(pool) }
        for _ in 0..<50 {
            usleep(500)
            #expect(visitsAll(pool, 9, 2))
        }
    }

    /// A task waits until two threads are in it: the workers do take part.
    @Test func workersTakePart() throws {
        let pool = try #require(tsr_pool_create(2))
        defer { tsr_pool_destroy(pool) }
        var barrier = pthread_barrier_t()
        pthread_barrier_init(&barrier, nil, 2)
        defer { pthread_barrier_destroy(&barrier) }
        tsr_pool_run(pool, 2, 1, meet, &barrier)
    }

    @Test func poolsComeAndGo() {
        for threads in 1...20 { tsr_pool_destroy(tsr_pool_create(UInt32(threads % 5 + 1))) }
        #expect(tsr_pool_create(0) == nil && tsr_pool_create(1000) == nil)
        tsr_pool_destroy(nil)
    }
}
