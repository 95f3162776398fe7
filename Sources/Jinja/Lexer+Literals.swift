import Storage

/// Numbers, names and strings.
extension Lexer {
    /// Reads a number, a name or a string, if one stands here.
    mutating func readLiteral() throws(Failure) -> Bool {
        if let end = floatEnd() {
            let digits = plain(position..<end)
            guard let value = Double(digits), value.isFinite else {
                throw failure("the number \(digits) is too large")
            }
            add(.float(value))
            position = end
            return true
        }
        if let (end, radix, start) = integerEnd() {
            let digits = plain(start..<end)
            guard let value = Int(digits, radix: radix) else {
                throw failure("the integer \(digits) is beyond 64 bits")
            }
            add(.integer(value))
            position = end
            return true
        }
        if try readName() { return true }
        return try readString()
    }

    private func plain(_ range: Range<Int>) -> String {
        String(decoding: source.bytes[range].filter { $0 != UInt8(ascii: "_") }, as: UTF8.self)
    }

    private func byte(_ place: Int) -> UInt8 { place < source.bytes.count ? source.bytes[place] : 0 }

    /// The end of digits with single underscores between them.
    private func digitsEnd(_ start: Int, radix: Int = 10) -> Int? {
        func isDigit(_ place: Int) -> Bool {
            Character(Unicode.Scalar(byte(place))).hexDigitValue.map { $0 < radix } ?? false
        }
        guard isDigit(start) else { return nil }
        var end = start + 1
        while true {
            if isDigit(end) {
                end += 1
            } else if byte(end) == UInt8(ascii: "_"), isDigit(end + 1) {
                end += 2
            } else {
                return end
            }
        }
    }

    private func floatEnd() -> Int? {
        // Behind a dot a number is an index.
        if position > 0, byte(position - 1) == UInt8(ascii: ".") { return nil }
        guard let whole = digitsEnd(position) else { return nil }
        let fraction = byte(whole) == UInt8(ascii: ".") ? digitsEnd(whole + 1) : nil
        let mantissa = fraction ?? whole
        guard byte(mantissa) | 0x20 == UInt8(ascii: "e") else { return fraction }
        let hasSign = [UInt8(ascii: "+"), UInt8(ascii: "-")].contains(byte(mantissa + 1))
        return digitsEnd(mantissa + (hasSign ? 2 : 1)) ?? fraction
    }

    private func integerEnd() -> (end: Int, radix: Int, start: Int)? {
        if byte(position) == UInt8(ascii: "0") {
            let radix: Int? =
                switch byte(position + 1) | 0x20 {
                case UInt8(ascii: "x"): 16
                case UInt8(ascii: "o"): 8
                case UInt8(ascii: "b"): 2
                default: nil
                }
            let start = position + (byte(position + 2) == UInt8(ascii: "_") ? 3 : 2)
            if let radix, let end = digitsEnd(start, radix: radix) { return (end, radix, start) }
            // Nought alone, or a row of them.
            return (digitsEnd(position, radix: 1) ?? position + 1, 10, position)
        }
        return digitsEnd(position).map { ($0, 10, position) }
    }

    private mutating func readName() throws(Failure) -> Bool {
        var end = position
        while end < source.bytes.count {
            let scalar = source.scalar(at: end)
            guard scalar == "_" || scalar.properties.isXIDContinue else { break }
            end = source.end(ofCharacterAt: end)
        }
        guard end > position else { return false }
        let first = source.scalar(at: position)
        guard first == "_" || first.properties.isXIDStart else {
            throw failure("Invalid character in identifier")
        }
        add(.name(source[position..<end].text))
        position = end
        return true
    }

    private mutating func readString() throws(Failure) -> Bool {
        let quote = byte(position)
        guard quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else { return false }
        var end = position + 1
        while end < source.bytes.count, source.bytes[end] != quote {
            end += source.bytes[end] == UInt8(ascii: "\\") ? 2 : 1
        }
        guard end < source.bytes.count else { return false }
        add(.string(try unescaped(source[(position + 1)..<end])))
        line += lineBreaks(in: position..<end)
        position = end + 1
        return true
    }

    /// What stands for what, as Python's codec `unicode-escape` has it.
    private func unescaped(_ text: MarkedText) throws(Failure) -> String {
        if !text.bytes.contains(UInt8(ascii: "\\")) { return text.text }
        var rest = text.scalars[...]
        var result = String.UnicodeScalarView()
        while let scalar = rest.popFirst() {
            guard scalar == "\\", let letter = rest.popFirst() else {
                result.append(scalar)
                continue
            }
            switch letter {
            case "\n": break
            case "n": result.append("\n")
            case "t": result.append("\t")
            case "r": result.append("\r")
            case "a": result.append("\u{7}")
            case "b": result.append("\u{8}")
            case "f": result.append("\u{C}")
            case "v": result.append("\u{B}")
            case "\\", "'", "\"": result.append(letter)
            case "0"..."7": result.append(try octal(letter, &rest))
            case "x": result.append(try hexadecimal(2, &rest))
            case "u": result.append(try hexadecimal(4, &rest))
            case "U": result.append(try hexadecimal(8, &rest))
            case "N": throw failure("characters by name (\\N) are not available")
            default:
                result.append("\\")
                // Jinja writes what is not ASCII as an escape first, and the backslash before takes its own away.
                result.append(
                    contentsOf: letter.isASCII ? String.UnicodeScalarView([letter]) : escape(letter))
            }
        }
        return String(result)
    }

    private func escape(_ scalar: Unicode.Scalar) -> String.UnicodeScalarView {
        let digits = String(scalar.value, radix: 16)
        let (letter, count) = scalar.value < 0x100 ? ("x", 2) : scalar.value < 0x10000 ? ("u", 4) : ("U", 8)
        return (letter + String(repeating: "0", count: count - digits.count) + digits).unicodeScalars
    }

    private func octal(
        _ first: Unicode.Scalar, _ rest: inout ArraySlice<Unicode.Scalar>
    ) throws(Failure) -> Unicode.Scalar {
        var value = first.value - 48
        for _ in 0..<2 {
            guard let next = rest.first, ("0"..."7").contains(next) else { break }
            value = value * 8 + next.value - 48
            rest.removeFirst()
        }
        return try scalar(value)
    }

    private func hexadecimal(
        _ count: Int, _ rest: inout ArraySlice<Unicode.Scalar>
    ) throws(Failure) -> Unicode.Scalar {
        let digits = rest.prefix(count)
        guard digits.count == count, digits.allSatisfy(\.properties.isASCIIHexDigit),
            let value = UInt32(String(String.UnicodeScalarView(digits)), radix: 16)
        else { throw failure("an escape in a string lacks digits") }
        rest.removeFirst(count)
        return try scalar(value)
    }

    private func scalar(_ value: UInt32) throws(Failure) -> Unicode.Scalar {
        guard let scalar = Unicode.Scalar(value) else {
            throw failure("an escape in a string stands for half a character")
        }
        return scalar
    }
}
