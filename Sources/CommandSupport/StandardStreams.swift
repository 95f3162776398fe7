import Glibc
import Storage

/// What a command does about its streams and signals before anything else.
enum StandardStreams {
    /// From now on a write that cannot be done fails with an `errno` instead of ending the process, no file that is opened can
    /// take the place of a stream that was closed, and a mapped file that is cut short ends the process with words.
    static func secure() {
        // A pipe that nobody reads, and a file beyond the size allowed.
        for number in [SIGPIPE, SIGXFSZ] { signal(number, SIG_IGN) }
        for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO]
        where fcntl(descriptor, F_GETFD) < 0 {
            // The lowest free number is taken. Writing results to what was opened for reading fails, as it should.
            _ = open("/dev/null", descriptor == STDERR_FILENO ? O_WRONLY : O_RDONLY)
        }
        // Over a line of progress, if one is there.
        MappedFile.explainLostPages("\(Console.isTerminal ? "\r\u{1b}[K" : "")\(Console.command): error: ")
    }
}
