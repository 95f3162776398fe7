public import Storage
internal import Synchronization

/// A part of a bundle whose bytes are not those that were written.
public struct Damage: Equatable, Sendable {
    /// The tensor or section, in words.
    public let part: String
    /// Where it lies in the file.
    public let fileRange: Range<Int>
    /// What is wrong with it.
    public let problem: String
}

extension Bundle {
    /// Reads every byte of the file and lists the parts that are damaged, in the order of the file.
    /// - Parameter threads: how many tensors are digested at a time.
    public func damage(threads: Int) throws(Failure) -> [Damage] {
        let parts = self.parts
        let found = Mutex<[Int: Result<Damage, Failure>]>([:])
        forEachIndex(parts.count, threads: threads) { index in
            let result = Result { () throws(Failure) in try self.damage(of: parts[index]) }
            switch result {
            case .success(nil): break
            case .success(let damage?): found.withLock { $0[index] = .success(damage) }
            case .failure(let failure): found.withLock { $0[index] = .failure(failure) }
            }
        }
        var damages: [Damage] = []
        for (_, result) in found.withLock({ $0.sorted { $0.key < $1.key } }) {
            damages.append(try result.get())
        }
        return damages
    }

    /// Reads every byte of the file and checks it against the digests.
    /// - Throws: `.mismatch`, naming the first damaged tensor or section and its bytes in the file.
    public func verify(threads: Int) throws(Failure) {
        let damages = try damage(threads: threads)
        guard let first = damages.first else { return }
        let range = "bytes \(first.fileRange.lowerBound) to \(first.fileRange.upperBound)"
        let others = damages.count > 1 ? "; \(damages.count - 1) more parts are damaged" : ""
        throw Failure(
            .mismatch, "\(first.problem) (\(range))\(others)", file: path, at: first.part,
            remedy: "copy or convert it again")
    }

    /// A stretch of the file with one digest, or one that must be zero.
    private struct Part: Sendable {
        let name: String
        let range: Range<Int>
        /// Nil for padding.
        let digest: Digest?
    }

    /// All of the file behind the header page, in order.
    private var parts: [Part] {
        var parts: [Part] = []
        var end = Format.headerBytes
        func add(_ name: String, _ range: Range<Int>, _ digest: Digest) {
            if end < range.lowerBound {
                parts.append(Part(name: "padding before \(name)", range: end..<range.lowerBound, digest: nil))
            }
            parts.append(Part(name: name, range: range, digest: digest))
            end = range.upperBound
        }
        for tensor in tensors { add("tensor '\(tensor.name)'", fileRange(of: tensor), tensor.digest) }
        for section in header.sections where section.code != SectionKind.weights.code {
            add("section \(section.code)", section.range, section.digest)
        }
        return parts
    }

    private func damage(of part: Part) throws(Failure) -> Damage? {
        guard let digest = part.digest else {
            let isZero = file.bytes[part.range].allSatisfy { $0 == 0 }
            return isZero ? nil : Damage(part: part.name, fileRange: part.range, problem: "is not zero")
        }
        guard try file.digest(of: part.range) != digest else { return nil }
        return Damage(part: part.name, fileRange: part.range, problem: "its SHA-256 does not match")
    }
}
