import Glibc
public import Storage

extension ThreadPool {
    /// Calls `body` for each number below `count`, several at a time, begun in order. What it does in its turn is done by one after
    /// the other, in the order of the numbers, on whatever worker that is: memory is that of as many bodies as there are workers.
    ///
    /// - Parameter body: given a number, the worker that it runs on, and its turn, which it may take once.
    /// - Throws: what the first body, in their order, threw, as if they had run one after the other. Later ones get no turn.
    public func runInOrder(
        _ count: Int, _ body: (_ number: Int, _ worker: Int, _ turn: Turn) throws(Failure) -> Void
    ) throws(Failure) {
        let turns = Turns()
        run(count, grain: 1) { part, worker in
            for number in part where !turns.haveFailed {
                do throws(Failure) {
                    try body(number, worker, Turn(number: number, turns: turns))
                    turns.end(number, nil)
                } catch { turns.end(number, error) }
            }
        }
        if let failure = turns.failure { throw failure }
    }

    /// The turn of one of the bodies that run side by side.
    public struct Turn {
        fileprivate let number: Int
        fileprivate let turns: Turns

        /// Calls `body` once all earlier bodies had their turn.
        /// - Throws: what `body` throws; what an earlier one threw, without calling it.
        public func take(_ body: () throws(Failure) -> Void) throws(Failure) {
            try turns.wait(number)
            try body()
            turns.pass(number)
        }
    }
}

/// Whose turn it is.
private final class Turns {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var next = 0
    /// What ended the run; from then on nobody has a turn.
    private(set) var failure: Failure?

    init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }

    var haveFailed: Bool { locked { failure != nil } }

    /// Waits until it is the turn of `number`.
    func wait(_ number: Int) throws(Failure) {
        if let failure = locked({ awaitTurn(number) }) { throw failure }
    }

    /// Gives the turn to the next.
    func pass(_ number: Int) { locked { pass(beyond: number) } }

    /// The body of `number` is done, whether it took its turn or not.
    func end(_ number: Int, _ error: Failure?) {
        locked {
            if awaitTurn(number) == nil { failure = error }
            pass(beyond: number)
        }
    }

    private func awaitTurn(_ number: Int) -> Failure? {
        while next < number, failure == nil { pthread_cond_wait(changed, mutex) }
        return failure
    }

    private func pass(beyond number: Int) {
        next = max(next, number + 1)
        pthread_cond_broadcast(changed)
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }
}
