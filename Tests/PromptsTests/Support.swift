import Glibc
import Storage

@testable import Prompts

/// An empty folder of its own for each test, gone when the test is done.
final class Scratch {
    let path: String

    init() throws {
        var template = Array("/tmp/tessera-prompts-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Failure(.io, "cannot make a folder") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        for name in (try? Path.list(path)) ?? [] { unlink(Path.join(path, name)) }
        rmdir(path)
    }

    /// Writes a file and returns its path.
    @discardableResult
    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let file = Path.join(path, name)
        guard let handle = fopen(file, "w") else { throw Failure(.io, "cannot write", file: file) }
        defer { fclose(handle) }
        guard fwrite(bytes, 1, bytes.count, handle) == bytes.count else {
            throw Failure(.io, "cannot write", file: file)
        }
        return file
    }

    @discardableResult
    func write(_ name: String, _ text: String) throws -> String { try write(name, Array(text.utf8)) }
}

/// The kind of failure that `body` ends with; nil when it succeeds.
func failure(_ body: () throws -> Void) -> Failure? {
    do {
        try body()
        return nil
    } catch {
        return error as? Failure
    }
}

extension Tokenizer {
    /// Reads a tokenizer from bytes in an array.
    init(serialized bytes: [UInt8]) throws(Failure) {
        let result = bytes.withUnsafeBytes { buffer in
            Result { () throws(Failure) in try Tokenizer(serialized: buffer) }
        }
        self = try result.get()
    }
}

extension [Float] {
    /// The digest of the values as little-endian bytes.
    func digest() throws -> String {
        try withUnsafeBytes { buffer in try SHA256.digest(buffer) }.description
    }
}
