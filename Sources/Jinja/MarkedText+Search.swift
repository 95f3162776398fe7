/// Cutting and replacing, as Python's methods of strings do it.
extension MarkedText {
    /// The byte at which another text begins for the first time, in linear time.
    func firstOffset(of needle: MarkedText, from start: Int = 0) -> Int? {
        if needle.isEmpty { return start }
        return MarkedText.firstOffset(of: needle.bytes, in: bytes, from: start)
    }

    /// The byte at which another text begins for the last time before `end`.
    func lastOffset(of needle: MarkedText, before end: Int) -> Int? {
        if needle.isEmpty { return end }
        let backwards = Array(bytes[..<end].reversed())
        let found = MarkedText.firstOffset(of: needle.bytes.reversed(), in: backwards, from: 0)
        return found.map { end - $0 - needle.bytes.count }
    }

    /// The search of Knuth, Morris and Pratt: it looks at each byte once, whatever the needle.
    private static func firstOffset(of needle: [UInt8], in bytes: [UInt8], from start: Int) -> Int? {
        // How much of the needle's beginning ends at each of its bytes.
        var border = [Int](repeating: 0, count: needle.count)
        var length = 0
        for index in 1..<max(needle.count, 1) {
            while length > 0, needle[index] != needle[length] { length = border[length - 1] }
            if needle[index] == needle[length] { length += 1 }
            border[index] = length
        }
        var found = 0
        for index in start..<max(bytes.count, start) {
            while found > 0, bytes[index] != needle[found] { found = border[found - 1] }
            if bytes[index] == needle[found] { found += 1 }
            if found == needle.count { return index - found + 1 }
        }
        return nil
    }

    /// Where another text stands, from left to right and apart; an empty one stands before every character and at the end.
    func offsets(of needle: MarkedText, limit: Int = .max) -> [Int] {
        if needle.isEmpty { return Array((characterStarts + [bytes.count]).prefix(limit)) }
        var found: [Int] = []
        var start = 0
        while found.count < limit, let offset = firstOffset(of: needle, from: start) {
            found.append(offset)
            start = offset + needle.bytes.count
        }
        return found
    }

    /// This text with another in the place of a third, at most `limit` times.
    func replacing(_ old: MarkedText, with new: MarkedText, limit: Int = .max) -> MarkedText {
        let places = offsets(of: old, limit: limit)
        if places.isEmpty { return self }
        var result = MarkedText()
        var start = 0
        for place in places {
            result.append(self[start..<place])
            result.append(new)
            start = place + old.bytes.count
        }
        result.append(self[start..<bytes.count])
        return result
    }

    /// The parts between the places of a separator, from the left.
    func split(_ separator: MarkedText, limit: Int) -> [MarkedText] {
        parts(between: offsets(of: separator, limit: limit), width: separator.bytes.count)
    }

    /// The parts between the places of a separator, as many cuts as allowed from the right.
    func splitFromRight(_ separator: MarkedText, limit: Int) -> [MarkedText] {
        let width = separator.bytes.count
        let backwards = MarkedText(bytes: bytes.reversed())
        let places = backwards.offsets(of: MarkedText(bytes: separator.bytes.reversed()), limit: limit)
        return parts(between: places.reversed().map { bytes.count - $0 - width }, width: width)
    }

    private func parts(between places: [Int], width: Int) -> [MarkedText] {
        var parts: [MarkedText] = []
        var start = 0
        for place in places {
            parts.append(self[start..<place])
            start = place + width
        }
        return parts + [self[start..<bytes.count]]
    }

    /// The words between white space, and behind `limit` of them the rest with the space at its end.
    func words(limit: Int = .max) -> [MarkedText] {
        var words: [MarkedText] = []
        var start = skippingSpace(from: 0)
        while start < bytes.count {
            if words.count == limit { return words + [self[start..<bytes.count]] }
            var end = start
            while end < bytes.count, !scalar(at: end).isPythonSpace { end = self.end(ofCharacterAt: end) }
            words.append(self[start..<end])
            start = skippingSpace(from: end)
        }
        return words
    }

    /// The same from the right.
    func wordsFromRight(limit: Int) -> [MarkedText] {
        var words: [MarkedText] = []
        var end = trimmedEnd(of: 0..<bytes.count)
        while end > 0 {
            if words.count == limit {
                words.append(self[0..<end])
                break
            }
            var start = end
            while start > 0 {
                let before = self.start(ofCharacterBefore: start)
                if scalar(at: before).isPythonSpace { break }
                start = before
            }
            words.append(self[start..<end])
            end = trimmedEnd(of: 0..<start)
        }
        return words.reversed()
    }

    private func skippingSpace(from start: Int) -> Int {
        var start = start
        while start < bytes.count, scalar(at: start).isPythonSpace { start = end(ofCharacterAt: start) }
        return start
    }

    private func trimmedEnd(of range: Range<Int>) -> Int {
        var end = range.upperBound
        while end > range.lowerBound {
            let before = start(ofCharacterBefore: end)
            if !scalar(at: before).isPythonSpace { break }
            end = before
        }
        return end
    }

    /// Without the characters of a set at its ends; without a set, white space.
    func trimmed(_ set: MarkedText?, left: Bool, right: Bool) -> MarkedText {
        let unwanted = set.map { Set($0.scalars) }
        func goes(_ scalar: Unicode.Scalar) -> Bool { unwanted?.contains(scalar) ?? scalar.isPythonSpace }
        var start = 0
        var end = bytes.count
        while left, start < end, goes(scalar(at: start)) { start = self.end(ofCharacterAt: start) }
        while right, start < end {
            let before = self.start(ofCharacterBefore: end)
            if !goes(scalar(at: before)) { break }
            end = before
        }
        return self[start..<end]
    }

    /// The lines, with their ends or without.
    func lines(keepingEnds: Bool = false) -> [MarkedText] {
        var lines: [MarkedText] = []
        var start = 0
        var end = 0
        while end < bytes.count {
            let scalar = scalar(at: end)
            var next = self.end(ofCharacterAt: end)
            if scalar.isPythonLineBreak {
                if scalar == "\r", next < bytes.count, bytes[next] == UInt8(ascii: "\n") { next += 1 }
                lines.append(self[start..<(keepingEnds ? next : end)])
                start = next
            }
            end = next
        }
        if start < bytes.count { lines.append(self[start..<bytes.count]) }
        return lines
    }

    func hasPrefix(_ other: MarkedText) -> Bool { bytes.starts(with: other.bytes) }

    func hasSuffix(_ other: MarkedText) -> Bool { bytes.suffix(other.bytes.count).elementsEqual(other.bytes) }
}
