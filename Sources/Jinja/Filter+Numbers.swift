import Glibc
import Storage

/// Filters that make numbers, or choose by size.
extension Interpreter {
    func apply(numberFilter filter: Filter, to value: Value, _ arguments: Arguments) throws(Failure) -> Value
    {
        switch filter {
        case .abs:
            _ = try bind(arguments, of: "abs")
            let number = try signed(value)
            if case .double(let number) = number { return .double(number.magnitude) }
            return (number.integer ?? 0) < 0 ? try negated(number) : number
        case .float:
            let bound = try bind(arguments, to: "default", of: "float")
            return try double(of: value).map(Value.double) ?? bound[0] ?? .double(0)
        case .int:
            let bound = try bind(arguments, to: "default", "base", of: "int")
            let base = try integer(bound[1], "the base of int") ?? 10
            return try integer(of: value, base: base).map(Value.int) ?? bound[0] ?? .int(0)
        case .round: return try round(value, arguments)
        case .sum: return try sum(value, arguments)
        default: return try extreme(filter, of: value, arguments)
        }
    }

    /// What `float(value)` is, nil where Python raises TypeError or ValueError.
    private func double(of value: Value) throws(Failure) -> Double? {
        if case .undefined(let reason) = value { throw failure(reason.message) }
        guard let text = value.string else { return value.number }
        try charge(characters: 3 * text.bytes.count)
        return PythonNumber.double(text)
    }

    /// What `int(value)` is, or the whole part of a float in a text.
    private func integer(of value: Value, base: Int) throws(Failure) -> Int? {
        if let integer = value.integer { return integer }
        try charge(characters: value.string?.bytes.count ?? 0)
        if let text = value.string, let integer = try PythonNumber.integer(text, base: base, self) {
            return integer
        }
        guard let number = try double(of: value), number.isFinite else { return nil }
        guard let integer = Int(exactly: number.rounded(.towardZero)) else {
            throw failure("an integer gets beyond 64 bits, which is not available")
        }
        return integer
    }

    private func round(_ value: Value, _ arguments: Arguments) throws(Failure) -> Value {
        let bound = try bind(arguments, to: "precision", "method", of: "round")
        let precision = try integer(bound[0], "the precision of round") ?? 0
        let method = try bound[1].map { (value) throws(Failure) in
            try string(value, "the method of round").text
        }
        let number = try signed(value)
        if method == nil || method == "common" {
            if case .double(let number) = number { return .double(PythonNumber.rounded(number, precision)) }
            return .int(try rounded(number.integer ?? 0, precision))
        }
        guard method == "ceil" || method == "floor" else {
            throw failure("method must be common, ceil or floor")
        }
        let scale = try calculate(.power, .int(10), .int(precision))
        guard let scaled = try calculate(.multiply, number, scale).number else { return number }
        let whole = scaled.rounded(method == "ceil" ? .up : .down)
        guard let integer = Int(exactly: whole) else { throw failure("cannot round a number of this size") }
        return try calculate(.divide, .int(integer), scale)
    }

    /// An integer to tens, hundreds and so on, halves to even.
    private func rounded(_ value: Int, _ precision: Int) throws(Failure) -> Int {
        guard precision < 0 else { return value }
        guard precision > -19 else { return 0 }
        let unit = Int(pow(10, Double(-precision)))
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: unit)
        let rest = remainder.magnitude
        let half = UInt(unit) / 2
        let goesAway = rest > half || (rest == half && quotient % 2 != 0)
        let (result, overflow) = (quotient + (goesAway ? value.signum() : 0)).multipliedReportingOverflow(
            by: unit)
        if overflow { throw failure("an integer gets beyond 64 bits, which is not available") }
        return result
    }

    private func sum(_ value: Value, _ arguments: Arguments) throws(Failure) -> Value {
        let bound = try bind(arguments, to: "attribute", "start", of: "sum")
        let path = path(bound[0])
        var sum = bound[1] ?? .int(0)
        if sum.string != nil { throw failure("sum() can't sum strings [use ''.join(seq) instead]") }
        for element in try elements(of: value) {
            try countStep()
            sum = try calculate(.add, sum, try follow(path, from: element))
        }
        return sum
    }

    private func extreme(_ filter: Filter, of value: Value, _ arguments: Arguments) throws(Failure) -> Value {
        let bound = try bind(arguments, to: "case_sensitive", "attribute", of: filter.rawValue)
        let isCaseSensitive = bound[0].map(truth) ?? false
        let path = path(bound[1])
        var best: (key: Value, element: Value)?
        for element in try elements(of: value) {
            try countStep()
            let key = try comparable(try follow(path, from: element), isCaseSensitive: isCaseSensitive)
            if let best, try holds(filter == .max ? .greater : .less, key, best.key) == false { continue }
            best = (key, element)
        }
        return best?.element ?? .undefined(Undefined(.said("No aggregated item, sequence was empty.")))
    }
}

extension PythonNumber {
    /// `round(value, precision)`: the digits are cut from the exact value.
    static func rounded(_ value: Double, _ precision: Int) -> Double {
        guard value.isFinite, precision < 324 else { return value }
        if precision == 0 { return value.rounded(.toNearestOrEven) }
        if precision > 0 { return Double(fixed(value, precision)) ?? value }
        guard precision >= -308 else { return copysign(0, value) }
        let unit = pow(10, Double(-precision))
        return (value / unit).rounded(.toNearestOrEven) * unit
    }

    /// A number with as many digits behind the point.
    static func fixed(_ value: Double, _ precision: Int) -> String { printed("%.*f", value, precision) }

    /// A number by a format of `printf` that takes the precision as an argument.
    static func printed(_ format: String, _ value: Double, _ precision: Int) -> String {
        withVaList([Int32(clamping: precision), value]) { arguments in
            // 309 digits before the point, and what was asked for behind it.
            let room = 400 + precision
            let bytes = [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
                let length = buffer.withMemoryRebound(to: CChar.self) { characters in
                    vsnprintf(characters.baseAddress, room, format, arguments)
                }
                count = max(0, min(Int(length), room - 1))
            }
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    /// What Python's `float` makes of a text.
    static func double(_ text: MarkedText) -> Double? {
        guard let plain = plain(text) else { return nil }
        let word = plain.lowercased()
        let unsigned = word.first == "-" || word.first == "+" ? String(word.dropFirst()) : word
        if ["inf", "infinity", "nan"].contains(unsigned) {
            let value = unsigned == "nan" ? Double.nan : .infinity
            return word.hasPrefix("-") ? -value : value
        }
        guard unsigned.utf8.allSatisfy({ (48...57).contains($0) || [46, 43, 45, 101].contains($0) }) else {
            return nil
        }
        // A point may stand at either end, and Swift wants digits there.
        let parts = unsigned.split(separator: "e", maxSplits: 1, omittingEmptySubsequences: false)
        guard let mantissa = parts.first, mantissa.utf8.contains(where: { (48...57).contains($0) }) else {
            return nil
        }
        let full = (mantissa.hasPrefix(".") ? "0" : "") + mantissa + (mantissa.hasSuffix(".") ? "0" : "")
        guard let value = Double(full + (parts.count > 1 ? "e" + parts[1] : "")) else { return nil }
        return word.hasPrefix("-") ? -value : value
    }

    /// What Python's `int` makes of a text, nil where it is none.
    static func integer(_ text: MarkedText, base: Int, _ interpreter: Interpreter) throws(Failure) -> Int? {
        guard base == 0 || (2...36).contains(base) else { return nil }
        guard let plain = plain(text) else { return nil }
        let isNegative = plain.hasPrefix("-")
        var digits = Substring(plain.hasPrefix("-") || plain.hasPrefix("+") ? plain.dropFirst() : plain[...])
        var radix = base
        for (prefix, own) in [("0x", 16), ("0o", 8), ("0b", 2)]
        where (base == own || base == 0) && digits.lowercased().hasPrefix(prefix) {
            digits = digits.dropFirst(2)
            radix = own
        }
        if radix == 0 {
            if digits.first == "0", digits.contains(where: { $0 != "0" }) { return nil }
            radix = 10
        }
        guard !digits.isEmpty,
            digits.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber) && digitValue($0) < radix })
        else { return nil }
        guard let value = Int((isNegative ? "-" : "") + digits, radix: radix) else {
            throw interpreter.failure("an integer gets beyond 64 bits, which is not available")
        }
        return value
    }

    private static func digitValue(_ character: Character) -> Int {
        let byte = Int(character.asciiValue ?? 255) | 0x20
        return byte >= 97 ? byte - 87 : byte & 0xF
    }

    /// A number's text without the space around it and single underscores between digits; nil where it cannot be one.
    private static func plain(_ text: MarkedText) -> String? {
        let trimmed = text.trimmed(nil, left: true, right: true)
        guard trimmed.bytes.count <= 4300 else { return nil }
        var bytes = trimmed.bytes
        if !trimmed.isASCII {
            // Digits of other scripts are digits.
            bytes = trimmed.scalars.map { scalar in
                if scalar.isASCII { return UInt8(scalar.value) }
                let properties = scalar.properties
                guard properties.numericType == .decimal, let value = properties.numericValue else {
                    return 0
                }
                return 48 + UInt8(value)
            }
        }
        for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "_") {
            guard index > 0, index + 1 < bytes.count, isAlphanumeric(bytes[index - 1]),
                isAlphanumeric(bytes[index + 1])
            else { return nil }
        }
        return String(decoding: bytes.filter { $0 != UInt8(ascii: "_") }, as: UTF8.self)
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (97...122).contains(byte | 0x20)
    }
}
