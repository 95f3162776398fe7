import Glibc
import Storage
import Synchronization

/// The most memory that a process holds while something runs, by what the system counts every few milliseconds.
final class PeakMemory: Sendable {
    private let isDone = Atomic<Bool>(false)
    private let anonymous = Atomic<Int>(0)
    private let mapped = Atomic<Int>(0)

    /// - Returns: what `body` returns, and the peaks of both kinds of memory; nil where the system does not say.
    static func during<Outcome>(
        _ body: () throws(Failure) -> Outcome
    ) throws(Failure) -> (Outcome, Machine.Resident?) {
        let peak = PeakMemory()
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(peak)
        let isStarted =
            pthread_create(
                &thread, nil,
                { argument in
                    if let argument { Unmanaged<PeakMemory>.fromOpaque(argument).takeRetainedValue().watch() }
                    return nil
                }, argument.toOpaque()) == 0
        if !isStarted { argument.release() }
        defer {
            peak.isDone.store(true, ordering: .relaxed)
            if isStarted { pthread_join(thread, nil) }
        }
        let outcome = try body()
        peak.look()
        let found = Machine.Resident(
            anonymous: peak.anonymous.load(ordering: .relaxed), mapped: peak.mapped.load(ordering: .relaxed))
        return (outcome, found.anonymous > 0 ? found : nil)
    }

    private func watch() {
        while !isDone.load(ordering: .relaxed) {
            look()
            usleep(3000)
        }
    }

    private func look() {
        guard let now = Machine.resident else { return }
        anonymous.max(now.anonymous, ordering: .relaxed)
        mapped.max(now.mapped, ordering: .relaxed)
    }
}
