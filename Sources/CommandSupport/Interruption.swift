import Glibc
public import Storage
import Synchronization

/// Ctrl-C on a job that can be resumed: the job stops at the next safe place.
public enum Interruption {
    private static let requested = Atomic<Bool>(false)

    /// From now on, SIGINT and SIGTERM ask the job to stop; asked again, it ends at once.
    public static func watch() {
        // Made here: a handler may not make anything.
        requested.store(false, ordering: .relaxed)
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in
            Interruption.requested.store(true, ordering: .relaxed)
        }
        action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND)) | SA_RESTART
        for number in [SIGINT, SIGTERM] { sigaction(number, &action, nil) }
    }

    /// - Throws: `interrupted` once a signal has come.
    public static func check() throws(Failure) {
        if requested.load(ordering: .relaxed) {
            throw Failure(.interrupted, "interrupted", remedy: "run the same command again to resume")
        }
    }
}
