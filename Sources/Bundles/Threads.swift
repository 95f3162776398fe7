internal import Glibc
internal import Synchronization

/// Calls `body` once for each index below `count`, on up to `threads` threads, the caller's among them. Indices are claimed
/// one at a time, so that threads that meet small pieces of work take more of them.
func forEachIndex(_ count: Int, threads: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let work = SharedWork(count: count, body: body)
    var helpers: [pthread_t] = []
    for _ in 1..<max(1, min(threads, count)) {
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(work)
        let status = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<SharedWork>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, argument.toOpaque())
        if status == 0 {
            helpers.append(thread)
        } else {
            // Fewer threads do the same work.
            argument.release()
        }
    }
    work.run()
    for thread in helpers { pthread_join(thread, nil) }
}

private final class SharedWork: Sendable {
    private let count: Int
    private let body: @Sendable (Int) -> Void
    private let next = Atomic<Int>(0)

    init(count: Int, body: @escaping @Sendable (Int) -> Void) {
        self.count = count
        self.body = body
    }

    func run() {
        while true {
            let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
            guard index < count else { return }
            body(index)
        }
    }
}
