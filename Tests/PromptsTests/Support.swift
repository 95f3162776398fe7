import Glibc
import Storage
import TestSupport

@testable import Prompts

extension TemporaryDirectory {
    /// Writes a file and returns its path.
    @discardableResult
    func write(_ name: String, _ text: String) throws -> String {
        let bytes = Array(text.utf8)
        guard let handle = fopen(file(name), "w") else {
            throw Failure(.io, "cannot write", file: file(name))
        }
        defer { fclose(handle) }
        guard fwrite(bytes, 1, bytes.count, handle) == bytes.count else {
            throw Failure(.io, "cannot write", file: file(name))
        }
        return file(name)
    }
}

/// The failure that `body` ends with; nil when it succeeds.
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
