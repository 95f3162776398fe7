import Glibc
import Storage

/// Zeroed pages from the system; pages never touched cost nothing.
final class AnonymousMemory {
    let base: UnsafeMutableRawPointer
    let count: Int

    /// Memory that will be used.
    /// - Throws: `limit` when the system has no `count` bytes to give.
    convenience init(_ count: Int) throws(Failure) {
        try Machine.checkMemory(for: "what is computed", count, remedy: "use a smaller context or picture")
        try self.init(hollow: count)
    }

    /// Memory of which few pages will ever be touched.
    /// - Throws: `limit` when the system has no `count` addresses to give.
    init(hollow count: Int) throws(Failure) {
        let length = max(count, 4096)
        guard
            let base = mmap(
                nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
            base != MAP_FAILED
        else { throw Failure(.limit, "cannot get \(length) bytes of memory") }
        self.base = base
        self.count = length
    }

    deinit { munmap(base, count) }
}
