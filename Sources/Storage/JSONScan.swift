/// Reads over a JSON text once and holds it to the grammar of RFC 8259, before anything is made of it.
///
/// json-c makes the values, but it makes something of texts that say nothing certain, too: of keys that are there twice or
/// that hold NUL, of integers beyond 64 bits, of halves of surrogate pairs, of `NaN`. And what it makes of a text may take
/// a hundred times the text's memory: the values are counted first.
struct JSONScan {
    /// The integers that 64 bits do not hold, or just do, in the order of the text; json-c gives the nearest that fit.
    private(set) var extremes: [JSON] = []
    /// How many keys there are.
    private(set) var memberCount = 0

    private let bytes: UnsafeRawBufferPointer
    private let valueLimit: Int
    private var position = 0
    private var valueCount = 0
    /// What ends the objects and arrays that are open, outermost first.
    private var closings: [UInt8] = []
    /// The keys of each object that is open, as they are written; nil where they need not be told apart.
    private var keys: [Set<String>]?

    /// Checks all of `bytes`.
    /// - Parameters:
    ///   - valueLimit: the most values, whatever they are nested in.
    ///   - namingKeys: whether keys that are there twice are looked for, which takes memory.
    /// - Throws: `badInput` with the byte, `limit` when there are more values.
    init(_ bytes: UnsafeRawBufferPointer, valueLimit: Int, namingKeys: Bool = false) throws(Failure) {
        self.bytes = bytes
        self.valueLimit = valueLimit
        keys = namingKeys ? [] : nil
        repeat { try value() } while try hasNext()
        guard position == bytes.count else { throw fault("text follows its end") }
    }

    /// The next byte; 0, which is no part of any JSON, at the end.
    private var next: UInt8 { position < bytes.count ? bytes[position] : 0 }

    private func fault(_ problem: String) -> Failure {
        .badInput(
            "is not valid JSON: \(position < bytes.count ? problem : "it is cut short")",
            at: "byte \(position)")
    }

    private mutating func skipSpace() {
        while next == 0x20 || next == 0x0A || next == 0x0D || next == 0x09 { position += 1 }
    }

    /// Passes over a value; of an object or array that is not empty, over its beginning.
    private mutating func value() throws(Failure) {
        skipSpace()
        valueCount += 1
        guard valueCount <= valueLimit else {
            throw Failure(.limit, "holds more than \(valueLimit) JSON values", at: "byte \(position)")
        }
        switch next {
        case UInt8(ascii: "{"): try open(UInt8(ascii: "}"))
        case UInt8(ascii: "["): try open(UInt8(ascii: "]"))
        case UInt8(ascii: "\""): try string(isKey: false)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try number()
        case UInt8(ascii: "t"): try word("true")
        case UInt8(ascii: "f"): try word("false")
        case UInt8(ascii: "n"): try word("null")
        default: throw fault("no value begins here")
        }
    }

    /// Begins an object or array and, unless it is empty, passes over what comes before its first value.
    private mutating func open(_ closing: UInt8) throws(Failure) {
        guard closings.count < JSON.maximumDepth else { throw fault("it is nested too deep") }
        position += 1
        skipSpace()
        closings.append(closing)
        keys?.append([])
        if next == closing { return }
        if closing == UInt8(ascii: "}") { try key() } else { isDue = true }
    }

    /// Whether the value of a key, or the first of an array, is still to come.
    private var isDue = false

    /// Passes over what follows a value; false at the end of everything.
    private mutating func hasNext() throws(Failure) -> Bool {
        if isDue {
            isDue = false
            return true
        }
        while true {
            skipSpace()
            guard let closing = closings.last else { return false }
            if next == closing {
                position += 1
                closings.removeLast()
                keys?.removeLast()
                continue
            }
            guard next == UInt8(ascii: ",") else { throw fault("',' or an end is missing") }
            position += 1
            guard closing == UInt8(ascii: "}") else { return true }
            skipSpace()
            try key()
            isDue = false
            return true
        }
    }

    private mutating func key() throws(Failure) {
        let start = position
        guard next == UInt8(ascii: "\"") else { throw fault("a key is missing") }
        try string(isKey: true)
        memberCount += 1
        if let level = keys?.indices.last {
            let name = String(decoding: bytes[start + 1..<position - 1], as: UTF8.self)
            guard keys?[level].insert(name).inserted == true else {
                throw .badInput("the key '\(name)' is there twice", at: "byte \(start)")
            }
        }
        skipSpace()
        guard next == UInt8(ascii: ":") else { throw fault("':' is missing") }
        position += 1
        isDue = true
    }

    private mutating func word(_ word: StaticString) throws(Failure) {
        for index in 0..<word.utf8CodeUnitCount {
            guard next == word.utf8Start[index] else { throw fault("no value begins here") }
            position += 1
        }
    }
}

// Strings and numbers.
extension JSONScan {
    private mutating func string(isKey: Bool) throws(Failure) {
        position += 1
        while next != UInt8(ascii: "\"") {
            guard next >= 0x20 else { throw fault("a string holds a control character") }
            if next == UInt8(ascii: "\\") { try escape(isKey: isKey) } else { position += 1 }
        }
        position += 1
    }

    private mutating func escape(isKey: Bool) throws(Failure) {
        position += 1
        switch next {
        case UInt8(ascii: "u"):
            let unit = try codeUnit()
            if isKey, unit == 0 { throw fault("a key holds NUL") }
            guard 0xD800..<0xE000 ~= unit else { return }
            guard unit < 0xDC00, next == UInt8(ascii: "\\"), position + 1 < bytes.count,
                bytes[position + 1] == UInt8(ascii: "u")
            else { throw fault("half of a surrogate pair stands alone") }
            position += 1
            guard 0xDC00..<0xE000 ~= (try codeUnit()) else {
                throw fault("half of a surrogate pair stands alone")
            }
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            position += 1
        default: throw fault("an unknown character is escaped")
        }
    }

    /// The four digits after `u`.
    private mutating func codeUnit() throws(Failure) -> UInt16 {
        position += 1
        var unit: UInt16 = 0
        for _ in 0..<4 {
            switch next {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): unit = unit << 4 | UInt16(next - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"):
                unit = unit << 4 | UInt16(next - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"):
                unit = unit << 4 | UInt16(next - UInt8(ascii: "A") + 10)
            default: throw fault("an escaped character needs four digits")
            }
            position += 1
        }
        return unit
    }

    private mutating func number() throws(Failure) {
        let start = position
        if next == UInt8(ascii: "-") { position += 1 }
        if next == UInt8(ascii: "0") { position += 1 } else { try digits() }
        let isWhole = next != UInt8(ascii: ".") && next | 0x20 != UInt8(ascii: "e")
        // How long a number may be that is surely within 64 bits, or the range of a double.
        var harmless = isWhole ? 18 : 300
        if next == UInt8(ascii: ".") {
            position += 1
            try digits()
        }
        if next | 0x20 == UInt8(ascii: "e") {
            harmless = 4
            position += 1
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
            try digits()
        }
        guard position - start > harmless else { return }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        guard let double = Double(text), double.isFinite else {
            throw .badInput("the number is too large", at: "byte \(start)")
        }
        guard isWhole else { return }
        let value = Int(text)
        if value == nil || value == .max || value == .min {
            // The nearest double to those just below the least integer is that integer.
            extremes.append(value.map(JSON.int) ?? .double(double == -0x1p63 ? double.nextDown : double))
        }
    }

    private mutating func digits() throws(Failure) {
        guard 0x30...0x39 ~= next else { throw fault("a digit is missing") }
        while 0x30...0x39 ~= next { position += 1 }
    }
}
