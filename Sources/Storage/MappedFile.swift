internal import CMappedFiles
import Glibc

/// A file mapped read-only. Views into it keep it alive.
public final class MappedFile: Sendable {
    /// Which file it is, and as it was when it was mapped.
    public let identity: FileIdentity
    /// The whole file.
    public nonisolated(unsafe) let bytes: UnsafeRawBufferPointer
    /// Where it is noted in case a page gets lost.
    private let place: Int32

    /// Where it is.
    public var path: String { identity.path }

    /// Maps the file at `path`. Empty files are allowed; directories, devices and pipes are not, nor is one waited for.
    /// - Parameter name: what it is called instead of its path, for one whose path means nothing to people.
    public init(_ path: String, called name: String? = nil) throws(Failure) {
        let name = name ?? path
        let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("cannot open", file: name, errno: errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system("cannot stat", file: name, errno: errno) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw .badInput("is not a regular file", file: name)
        }
        identity = FileIdentity(name, status)
        let length = identity.byteCount
        guard length > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            place = -1
            return
        }
        guard let base = mmap(nil, length, PROT_READ, MAP_SHARED, descriptor, 0), base != MAP_FAILED else {
            throw .system("cannot map", file: name, errno: errno)
        }
        bytes = UnsafeRawBufferPointer(start: base, count: length)
        place = tsr_mapped_add(base, length, name)
    }

    deinit {
        tsr_mapped_remove(place)
        if let base = bytes.baseAddress {
            munmap(UnsafeMutableRawPointer(mutating: base), bytes.count)
        }
    }

    /// Shows the whole file to `body`; it stays mapped as long as that runs.
    public func withBytes<Result>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // Without this the file may be unmapped as soon as its pointer has been taken.
        defer { withExtendedLifetime(self) {} }
        return try body(bytes)
    }

    /// How a range is about to be used.
    public enum Advice: Sendable {
        /// Read once, front to back.
        case sequential
        /// Soon needed: start reading.
        case willNeed
        /// Done with: the pages may go from this process.
        case dontNeed
        /// Done with: the pages shall go from memory, unless others have them mapped.
        case pageOut

        /// Whether pages that lie partly in the range may be meant, too.
        var takesNeighbours: Bool { self == .sequential || self == .willNeed }

        var code: Int32 {
            switch self {
            case .sequential: MADV_SEQUENTIAL
            case .willNeed: MADV_WILLNEED
            case .dontNeed: MADV_DONTNEED
            case .pageOut: MADV_PAGEOUT
            }
        }
    }

    /// Tells the kernel how `range` will be used. Only advice: failure is harmless and ignored.
    public func advise(_ range: Range<Int>, _ advice: Advice) {
        guard let base = bytes.baseAddress else { return }
        let page = 4096
        // Giving pages up must not take neighbours along; all other advice may.
        let lower = (range.lowerBound + (advice.takesNeighbours ? 0 : page - 1)) / page * page
        let upper = advice.takesNeighbours ? range.upperBound : range.upperBound / page * page
        guard lower < upper, upper <= bytes.count else { return }
        _ = madvise(UnsafeMutableRawPointer(mutating: base + lower), upper - lower, advice.code)
    }
}

extension MappedFile {
    /// What is to be said of a file that lost pages while it was mapped.
    private static let lostMessage = "changed while in use, or could not be read"

    /// Why the kernel could not read at an address; nil when that shows no mapped file.
    static func lost(_ address: UnsafeRawPointer) -> Failure? {
        tsr_mapped_path(address).map { Failure(.io, lostMessage, file: String(cString: $0)) }
    }

    /// From now on, a page of a mapped file that is not there any more, as the file was cut short or its disk fails, ends the
    /// process with the code of `io` and a sentence on stderr. For commands: a library does not decide this.
    /// - Parameter before: what the sentence begins with.
    public static func explainLostPages(_ before: String) {
        // The handler must not allocate: the texts are made here and stay.
        tsr_mapped_watch(strdup(before), strdup(": \(lostMessage)\n"), Failure.Kind.io.rawValue)
    }
}

/// A range of a mapped file that stays mapped as long as this value lives.
public struct MappedBytes: Sendable {
    /// The file that it is part of, kept mapped.
    public let file: MappedFile
    /// Its bytes within the file.
    public let range: Range<Int>

    /// Nil when the range does not lie within the file.
    public init?(_ file: MappedFile, _ range: Range<Int>) {
        guard range.lowerBound >= 0, range.upperBound <= file.bytes.count else { return nil }
        self.file = file
        self.range = range
    }

    /// How many bytes there are.
    public var count: Int { range.count }

    /// The bytes; valid while `file` is alive.
    public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: file.bytes[range]) }
}

/// Reads a whole small file, refusing one larger than `limit` bytes.
public func readFile(_ path: String, limit: Int = 256 << 20) throws(Failure) -> [UInt8] {
    let file = try MappedFile(path)
    guard file.bytes.count <= limit else {
        throw Failure(.limit, "has \(file.bytes.count) bytes, more than the \(limit) expected", file: path)
    }
    return try file.withBytes { (bytes) throws(Failure) in [UInt8](bytes) }
}
