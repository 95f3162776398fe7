/// Strings as Python sees them: rows of code points.
extension MarkedText {
    /// How many characters there are.
    var length: Int {
        var count = 0
        for byte in bytes where byte & 0xC0 != 0x80 { count += 1 }
        return count
    }

    /// The characters one by one.
    var characters: [MarkedText] {
        var starts = characterStarts
        starts.append(bytes.count)
        return zip(starts, starts.dropFirst()).map { self[$0..<$1] }
    }

    /// At which byte each character begins.
    var characterStarts: [Int] { bytes.indices.filter { bytes[$0] & 0xC0 != 0x80 } }

    /// The byte at which the character of a number begins, or the end; numbers below zero count from the end.
    func offset(ofCharacter number: Int) -> Int? {
        var number = number
        if number >= 0 {
            for index in bytes.indices where bytes[index] & 0xC0 != 0x80 {
                if number == 0 { return index }
                number -= 1
            }
            return nil
        }
        for index in bytes.indices.reversed() where bytes[index] & 0xC0 != 0x80 {
            number += 1
            if number == 0 { return index }
        }
        return nil
    }

    /// The character of a number.
    func character(_ number: Int) -> MarkedText? {
        guard let start = offset(ofCharacter: number) else { return nil }
        return self[start..<end(ofCharacterAt: start)]
    }

    /// Where the character that begins at a byte ends.
    func end(ofCharacterAt start: Int) -> Int {
        var end = start + 1
        while end < bytes.count, bytes[end] & 0xC0 == 0x80 { end += 1 }
        return end
    }

    /// Where the character that ends before a byte begins.
    func start(ofCharacterBefore end: Int) -> Int {
        var start = end - 1
        while start > 0, bytes[start] & 0xC0 == 0x80 { start -= 1 }
        return start
    }

    /// The character that begins at a byte.
    func scalar(at start: Int) -> Unicode.Scalar {
        let lead = UInt32(bytes[start])
        if lead < 0x80 { return Unicode.Scalar(bytes[start]) }
        let end = end(ofCharacterAt: start)
        let bits = lead & (0x7F >> UInt32(end - start))
        let code = bytes[(start + 1)..<end].reduce(bits) { $0 << 6 | UInt32($1 & 0x3F) }
        return Unicode.Scalar(code) ?? " "
    }

    /// The code points.
    var scalars: [Unicode.Scalar] { Array(text.unicodeScalars) }

    /// Replaces each character by some text, which keeps its mark.
    func mapCharacters(_ transform: (Int, [Unicode.Scalar]) -> String) -> MarkedText {
        let scalars = scalars
        var result = MarkedText()
        var runs = runs[...]
        var offset = 0
        for index in scalars.indices {
            while let run = runs.first, run.end <= offset { runs.removeFirst() }
            result.append(transform(index, scalars), origin: runs.first?.origin)
            offset += UTF8.width(scalars[index])
        }
        return result
    }

    /// Whether all bytes are ASCII.
    var isASCII: Bool { bytes.allSatisfy { $0 < 0x80 } }
}

extension Unicode.Scalar {
    /// What Python's `str.isspace` calls white space.
    var isPythonSpace: Bool {
        switch value {
        case 9...13, 28...32, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000:
            true
        default: false
        }
    }

    /// What `str.splitlines` breaks at.
    var isPythonLineBreak: Bool {
        switch value {
        case 10...13, 28...30, 0x85, 0x2028, 0x2029: true
        default: false
        }
    }

    var isPythonLetter: Bool {
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
        default: false
        }
    }

    var isPythonDigit: Bool { properties.numericType == .decimal || properties.numericType == .digit }

    var isPythonAlphanumeric: Bool { isPythonLetter || properties.numericType != nil }

    var isPythonPrintable: Bool {
        switch properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator:
            false
        case .spaceSeparator: self == " "
        default: true
        }
    }
}
