import Glibc

/// What of the machine this process may use.
public enum Machine {
    /// Processors that it may run on: those that its affinity allows, or as many as the time that its control groups grant.
    public static var processors: Int {
        let online = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        let allowed = text("/proc/self/status").flatMap(allowedProcessors) ?? online
        return max(1, min(online, allowed, ControlGroup.own.processors ?? online))
    }

    /// Bytes that it may still take without others being driven out; nil where the system does not say.
    public static var availableMemory: Int? {
        let free = text("/proc/meminfo").flatMap { number(after: "MemAvailable:", in: $0) }.map { $0 << 10 }
        return [free, ControlGroup.own.availableMemory].compactMap { $0 }.min()
    }

    /// Bytes of memory that a process holds.
    public struct Resident: Sendable {
        /// What it alone can hold: heap, stacks, what was computed.
        public var anonymous: Int
        /// Pages of files that it has mapped, which the system drops and reads again as it likes.
        public var mapped: Int

        /// So many bytes.
        public init(anonymous: Int, mapped: Int) {
            self.anonymous = anonymous
            self.mapped = mapped
        }
    }

    /// What this process holds now; nil where the system does not say.
    public static var resident: Resident? {
        guard let status = text("/proc/self/status"), let anonymous = number(after: "RssAnon:", in: status),
            let mapped = number(after: "RssFile:", in: status)
        else { return nil }
        return Resident(anonymous: anonymous << 10, mapped: mapped << 10)
    }

    /// What the processor is called; nil where the system does not say.
    public static var processorName: String? {
        let line = text("/proc/cpuinfo")?.split(separator: "\n").first { $0.hasPrefix("model name") }
        guard let name = line?.split(separator: ":", maxSplits: 1).last else { return nil }
        return String(name.drop { $0.isWhitespace })
    }

    /// Refuses what would not fit into memory, before any of it is taken.
    /// - Parameter what: what would take the bytes, as the beginning of a sentence.
    /// - Throws: `limit`.
    public static func checkMemory(for what: String, _ bytes: Int, remedy: String? = nil) throws(Failure) {
        guard let available = availableMemory, bytes > available else { return }
        throw Failure(
            .limit,
            "\(what) takes \(mebibytes(bytes)) of memory, of which \(mebibytes(available)) are available",
            remedy: remedy)
    }

    private static func mebibytes(_ bytes: Int) -> String { "\(bytes >> 20) MiB" }

    /// The processors in the list of a process's status, such as `0-3,8`; nil where there is none.
    static func allowedProcessors(_ status: String) -> Int? {
        let name = "Cpus_allowed_list:"
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix(name) }) else {
            return nil
        }
        var count = 0
        for range in line.dropFirst(name.count).split(whereSeparator: { $0 == "," || $0.isWhitespace }) {
            let ends = range.split(separator: "-").compactMap { Int($0) }
            guard let first = ends.first, let last = ends.last, ends.count <= 2, first >= 0, last >= first,
                last < 1 << 20
            else { return nil }
            count += last - first + 1
        }
        return count > 0 ? count : nil
    }

    /// The whole number behind `name` at the beginning of a line.
    static func number(after name: String, in text: String) -> Int? {
        for line in text.split(separator: "\n") where line.hasPrefix(name) {
            let digits = line.dropFirst(name.count).drop { $0.isWhitespace }.prefix {
                $0.isASCII && $0.isNumber
            }
            return Int(digits).flatMap { $0 < 1 << 50 ? $0 : nil }
        }
        return nil
    }

    /// The beginning of one of the system's small files, which state no size; nil where there is none.
    static func text(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 14)
        while bytes.count < 1 << 16 {
            let count = read(descriptor, &chunk, chunk.count)
            guard count > 0 else { break }
            bytes += chunk[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
