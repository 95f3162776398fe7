public import Storage

/// The tokenizer's section of a bundle. All numbers are unsigned 32-bit little-endian; nothing is padded.
///
///     offset  bytes    what
///     0       4        version: 1
///     4       4        flags: bit 0 = text is brought to NFC first; other bits 0
///     8       4        pre-tokenizer: what words are made of (see PreTokenizer): 0 = letters, 1 = letters and marks
///     12      4        N, the number of token ids
///     16      4        M, the number of merges
///     20      4        A, the number of added tokens
///     24      4        B, the size of the token bytes
///     28      4(N+1)   offsets into the token bytes, not decreasing, from 0 to B: token i is offset[i]..<offset[i+1].
///                      An id that is not in use has no bytes
///     ..      16 M     merges, ascending by (left, right), no pair twice: left, right, rank, result.
///                      The lowest rank merges first. result's bytes are left's followed by right's
///     ..      8 A      added tokens: id, flags (bit 0 = special, bit 1 = found in normalized text only; other bits 0).
///                      Each has bytes, which are its text in UTF-8; no id twice
///     ..      B        the token bytes
///
/// The section ends there. The token of a single byte is the lowest id that has just that byte and is not an added one.
private enum Layout {
    static let version: UInt32 = 1
    static let headerSize = 28
    static let mergeSize = 16
    static let addedSize = 8
    /// More token ids than any vocabulary has; keeps ids within Int32 and tables small.
    static let maximumTokens = 1 << 24
}

extension Tokenizer {
    /// The most token ids a vocabulary may have.
    static var maximumVocabularySize: Int { Layout.maximumTokens }

    /// The bytes of the tokenizer's section of a bundle; the layout is described in this file.
    public func serialized() -> [UInt8] {
        var output: [UInt8] = []
        let counts = [vocabularySize, merges.merges.count, added.count, bytes.count]
        output.reserveCapacity(
            Layout.headerSize + 4 * offsets.count + Layout.mergeSize * counts[1] + 8 * counts[2] + counts[3])
        func put(_ value: UInt32) {
            withUnsafeBytes(of: value.littleEndian) { output.append(contentsOf: $0) }
        }
        put(Layout.version)
        put(normalizes ? 1 : 0)
        put(rule.rawValue)
        for count in counts { put(UInt32(count)) }
        for offset in offsets { put(offset) }
        for merge in merges.merges {
            put(merge.left)
            put(merge.right)
            put(merge.rank)
            put(merge.result)
        }
        for token in added {
            put(UInt32(token.id))
            put((token.isSpecial ? 1 : 0) | (token.isNormalized ? 2 : 0))
        }
        output.append(contentsOf: bytes)
        return output
    }

    /// Reads the tokenizer's section of a bundle. Everything in it is checked; a few milliseconds for 152,000 tokens.
    ///
    /// - Throws: `badInput` when the bytes are not a tokenizer of a known version.
    public init(serialized section: UnsafeRawBufferPointer) throws(Failure) {
        var reader = SectionReader(section)
        guard try reader.next() == Layout.version else { throw .badInput("tokenizer of an unknown version") }
        let flags = try reader.next()
        guard flags <= 1 else { throw .badInput("tokenizer with unknown flags") }
        guard let rule = PreTokenizer.Rule(rawValue: try reader.next()) else {
            throw .badInput("tokenizer with an unknown pre-tokenizer")
        }
        let tokenCount = Int(try reader.next())
        let mergeCount = Int(try reader.next())
        let addedCount = Int(try reader.next())
        let byteCount = Int(try reader.next())
        guard tokenCount <= Layout.maximumTokens, addedCount <= tokenCount else {
            throw .badInput("tokenizer with \(tokenCount) tokens, \(addedCount) of them added")
        }
        let size =
            Layout.headerSize + 4 * (tokenCount + 1) + Layout.mergeSize * mergeCount
            + Layout.addedSize * addedCount + byteCount
        guard size == section.count else {
            throw .badInput("tokenizer of \(section.count) bytes where \(size) are announced")
        }
        let offsets = try reader.offsets(tokenCount + 1, upTo: byteCount)
        let bytes = [UInt8](section[(size - byteCount)...])
        let merges = try reader.merges(mergeCount, offsets: offsets, bytes: bytes)
        let added = try reader.added(addedCount, offsets: offsets)
        self.init(
            normalizes: flags & 1 == 1, rule: rule, bytes: bytes, offsets: offsets,
            merges: MergeTable(sorted: merges, vocabularySize: tokenCount), added: added)
    }
}

/// Reads the section front to back, checking.
private struct SectionReader {
    private let section: UnsafeRawBufferPointer
    private var position = 0

    init(_ section: UnsafeRawBufferPointer) { self.section = section }

    mutating func next() throws(Failure) -> UInt32 {
        guard position + 4 <= section.count else { throw .badInput("tokenizer is cut short") }
        defer { position += 4 }
        return UInt32(littleEndian: section.loadUnaligned(fromByteOffset: position, as: UInt32.self))
    }

    mutating func offsets(_ count: Int, upTo end: Int) throws(Failure) -> [UInt32] {
        var offsets: [UInt32] = []
        offsets.reserveCapacity(count)
        var last: UInt32 = 0
        for _ in 0..<count {
            let offset = try next()
            guard offset >= last else { throw .badInput("tokenizer's offsets decrease") }
            offsets.append(offset)
            last = offset
        }
        guard offsets.first == 0, last == end else {
            throw .badInput("tokenizer's offsets do not fit its bytes")
        }
        return offsets
    }

    mutating func merges(_ count: Int, offsets: [UInt32], bytes: [UInt8]) throws(Failure) -> [MergeTable
        .Merge]
    {
        var merges: [MergeTable.Merge] = []
        merges.reserveCapacity(count)
        for index in 0..<count {
            let merge = MergeTable.Merge(
                left: try next(), right: try next(), rank: try next(), result: try next())
            let tokenCount = UInt32(offsets.count - 1)
            guard merge.left < tokenCount, merge.right < tokenCount, merge.result < tokenCount,
                merge.joins(offsets: offsets, bytes: bytes)
            else { throw .badInput("tokenizer's merge \(index) does not join its tokens") }
            if let last = merges.last, last.pair >= merge.pair {
                throw .badInput("tokenizer's merge \(index) is out of order")
            }
            merges.append(merge)
        }
        return merges
    }

    mutating func added(_ count: Int, offsets: [UInt32]) throws(Failure) -> [Tokenizer.AddedToken] {
        var added: [Tokenizer.AddedToken] = []
        var seen: Set<UInt32> = []
        for index in 0..<count {
            let id = try next()
            let flags = try next()
            guard id < offsets.count - 1, offsets[Int(id)] < offsets[Int(id) + 1], flags <= 3,
                seen.insert(id).inserted
            else { throw .badInput("tokenizer's added token \(index) is invalid") }
            added.append(
                Tokenizer.AddedToken(id: Int32(id), isSpecial: flags & 1 != 0, isNormalized: flags & 2 != 0))
        }
        return added
    }
}

extension MergeTable.Merge {
    /// Whether the result's bytes are those of the pair. The tokens must exist.
    fileprivate func joins(offsets: [UInt32], bytes: [UInt8]) -> Bool {
        func range(_ token: UInt32) -> Range<Int> { Int(offsets[Int(token)])..<Int(offsets[Int(token) + 1]) }
        let (left, right, result) = (range(left), range(right), range(result))
        guard !left.isEmpty, !right.isEmpty, left.count + right.count == result.count else { return false }
        let middle = result.lowerBound + left.count
        return bytes[left].elementsEqual(bytes[result.lowerBound..<middle])
            && bytes[right].elementsEqual(bytes[middle..<result.upperBound])
    }
}
