import Glibc
import Storage

/// A line on the terminal that shows how far a long job is; silent elsewhere.
public final class Progress {
    private let total: Int
    private let start = monotonicSeconds()
    private var lastShown = 0.0
    private let visible: Bool

    /// A job of `total` bytes.
    public init(total: Int) {
        self.total = max(1, total)
        visible = Console.isTerminal
    }

    /// Shows `done` bytes and what is being worked on, at most ten times a second.
    public func show(_ done: Int, _ what: String) {
        guard visible else { return }
        let now = monotonicSeconds()
        guard now - lastShown > 0.1 || done >= total else { return }
        lastShown = now
        let seconds = max(now - start, 1e-3)
        let rate = Double(done) / seconds
        let left = rate > 0 ? Int(Double(total - done) / rate) : 0
        let percent = done * 100 / total
        Console.note(
            "\r\u{1b}[K\(percent) %  \(ByteCount.text(done)) of \(ByteCount.text(total))  "
                + "\(ByteCount.text(Int(rate)))/s  \(left) s left  \(what)")
    }

    /// Shows what is being worked on where there are no bytes to count.
    public func show(_ what: String) {
        if visible { Console.note("\r\u{1b}[K\(what)") }
    }

    /// Clears the line.
    public func finish() {
        if visible { Console.note("\r\u{1b}[K") }
    }
}

/// A line on the terminal that shows how many samples of a long run are done; silent elsewhere.
public final class SampleProgress {
    private let start = monotonicSeconds()
    private var lastShown = 0.0

    /// A run that begins now.
    public init() {}

    /// Shows how far the run is and how long it may take, at most ten times a second.
    public func show(_ done: Int, _ total: Int, _ what: String) {
        let now = monotonicSeconds()
        guard Console.isTerminal, now - lastShown > 0.1 || done >= total else { return }
        lastShown = now
        let left = done > 0 ? Int((now - start) * Double(total - done) / Double(done)) : 0
        Console.note("\r\u{1b}[K\(done * 100 / max(1, total)) %  \(left) s left  \(what)")
    }

    /// Clears the line.
    public func finish() {
        if Console.isTerminal { Console.note("\r\u{1b}[K") }
    }
}

/// Seconds on a clock that never goes back.
public func monotonicSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
