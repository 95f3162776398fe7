public import Storage

/// What a long comparison has finished, in a file that the same comparison goes on from.
///
/// 8 bytes of name, the identity of the comparison (32), then records: the lengths of key and value (4 and 8 bytes, little-endian), the
/// SHA-256 of both, the key, the value. What follows the last whole record was being written when the run was stopped, and is cut off.
public final class RunJournal {
    private let file: OutputFile?
    private var end = 0
    private var known: [String: [UInt8]] = [:]

    private static let magic = Array("TSRDIFF1".utf8)
    private static let header = 12 + 32

    /// One that is kept nowhere.
    public init() { file = nil }

    /// Opens or begins a journal.
    /// - Parameters:
    ///   - path: is made if it is not there.
    ///   - identity: of all that the comparison's figures depend on.
    ///   - inputs: files that are read.
    /// - Throws: `badInput` when the file is that of another comparison.
    public init(_ path: String, identity: Digest, inputs: [String]) throws(Failure) {
        let start = Self.magic + identity.bytes
        let bytes = Path.exists(path) ? try readFile(path) : []
        guard bytes.isEmpty || bytes.starts(with: start) || start.starts(with: bytes) else {
            throw .badInput(
                "holds another comparison", file: path, remedy: "give another name, or remove it")
        }
        _ = try OutputPath(path, replacing: true, inputs: inputs)
        let file = try OutputFile(resuming: path)
        self.file = file
        end = start.count
        if bytes.count <= start.count { try file.write(start, at: 0) }
        while let (key, value, next) = try Self.record(bytes, at: end) {
            known[key] = value
            end = next
        }
        try file.truncate(to: end)
    }

    /// The record at a place, and where the next begins; nil where there is no whole one.
    private static func record(
        _ bytes: [UInt8], at start: Int
    ) throws(Failure) -> (key: String, value: [UInt8], next: Int)? {
        guard bytes.count - start > header else { return nil }
        func number(_ offset: Int, _ width: Int) -> UInt64 {
            (0..<width).reduce(0) { $0 | UInt64(bytes[start + offset + $1]) << (8 * UInt64($1)) }
        }
        let (keyLength, length) = (Int(number(0, 4)), number(4, 8))
        let body = start + header
        guard length <= UInt64(bytes.count), keyLength + Int(length) <= bytes.count - body else { return nil }
        let next = body + keyLength + Int(length)
        guard try SHA256.digest(Array(bytes[body..<next])).bytes == Array(bytes[start + 12..<body]),
            let key = String(validating: bytes[body..<body + keyLength], as: UTF8.self)
        else { return nil }
        return (key, Array(bytes[body + keyLength..<next]), next)
    }

    /// Records that are known.
    public var count: Int { known.count }

    /// What is known of a key; nil when nothing is.
    func value(_ key: String) -> [UInt8]? { known[key] }

    /// Keeps a value.
    /// - Throws: `io` when the disk is full.
    func keep(_ key: String, _ value: [UInt8]) throws(Failure) {
        known[key] = value
        guard let file else { return }
        let name = Array(key.utf8)
        func bytes(_ number: Int, _ width: Int) -> [UInt8] {
            (0..<width).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
        }
        let record =
            bytes(name.count, 4) + bytes(value.count, 8) + (try SHA256.digest(name + value)).bytes + name
            + value
        try file.write(record, at: end)
        end += record.count
        try file.sync()
    }

    /// A number that is known; nil when it is not.
    func number(_ key: String) -> Double? {
        guard let bytes = known[key], bytes.count == 8 else { return nil }
        return Double(
            bitPattern: bytes.enumerated().reduce(0) { $0 | UInt64($1.element) << (8 * UInt64($1.offset)) })
    }

    /// Keeps a number.
    /// - Throws: `io` when the disk is full.
    func keep(_ key: String, _ number: Double) throws(Failure) {
        try keep(key, withUnsafeBytes(of: number.bitPattern.littleEndian, Array.init))
    }

    /// A number that is known, or is measured now.
    func number(_ key: String, _ measure: () throws(Failure) -> Double) throws(Failure) -> Double {
        if let number = number(key) { return number }
        let number = try measure()
        try keep(key, number)
        return number
    }
}
