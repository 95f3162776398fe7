internal import Glibc
internal import Storage
internal import Synchronization

/// Work on a thread of its own.
final class BackgroundWork: Sendable {
    private let thread: pthread_t
    private let state: State

    private final class State: Sendable {
        let body: @Sendable () throws(Failure) -> Void
        let isDone = Atomic<Bool>(false)
        let failure = Mutex<Failure?>(nil)

        init(_ body: @escaping @Sendable () throws(Failure) -> Void) { self.body = body }

        func run() {
            do throws(Failure) { try body() } catch { failure.withLock { $0 = error } }
            isDone.store(true, ordering: .releasing)
        }
    }

    /// Begins the work; nil when no thread can be had.
    init?(_ body: @escaping @Sendable () throws(Failure) -> Void) {
        let state = State(body)
        let argument = Unmanaged.passRetained(state)
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<State>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, argument.toOpaque())
        guard status == 0 else {
            argument.release()
            return nil
        }
        (self.thread, self.state) = (thread, state)
    }

    /// Whether there is nothing left to wait for.
    var isDone: Bool { state.isDone.load(ordering: .acquiring) }

    /// Waits for the end, to be done once.
    /// - Throws: what the work threw.
    func wait() throws(Failure) {
        pthread_join(thread, nil)
        if let failure = state.failure.withLock({ $0 }) { throw failure }
    }
}
