import Glibc
public import Storage
import Synchronization

/// Ctrl-C on a job that can be resumed: the job stops at the next safe place.
public enum Interruption {
    private static let requested = Atomic<Bool>(false)

    /// From now on, SIGINT and SIGTERM ask the job to stop.
    public static func watch() {
        for number in [SIGINT, SIGTERM] {
            signal(number) { _ in Interruption.requested.store(true, ordering: .relaxed) }
        }
    }

    /// - Throws: `interrupted` once a signal has come.
    public static func check() throws(Failure) {
        if requested.load(ordering: .relaxed) {
            throw Failure(.interrupted, "interrupted", remedy: "run the same command again to resume")
        }
    }
}
