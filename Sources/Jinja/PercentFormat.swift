import Storage

/// `"%s" % value`, as Python formats.
extension Interpreter {
    func percentFormat(_ format: MarkedText, _ value: Value) throws(Failure) -> MarkedText {
        try charge(format.bytes.count)
        var reader = PercentReader(format: format, arguments: [value], mapping: nil)
        if case .list(let list) = value, list.kind.isTuple { reader.arguments = list.elements[...] }
        if case .dict(let dict) = value { reader.mapping = dict }
        let isUnused: Bool
        switch value {
        case .list(let list): isUnused = !list.kind.isTuple && list.kind.isSequence
        case .dict, .undefined: isUnused = true
        default: isUnused = false
        }
        let result = try reader.run(self)
        // Nothing need be used of what has elements by key.
        if !reader.arguments.isEmpty, !isUnused {
            throw failure("not all arguments converted during string formatting")
        }
        return result
    }
}

private struct PercentReader {
    let format: MarkedText
    var arguments: ArraySlice<Value>
    var mapping: Dict?
    private var position = 0

    init(format: MarkedText, arguments: ArraySlice<Value>, mapping: Dict?) {
        self.format = format
        self.arguments = arguments
        self.mapping = mapping
    }

    mutating func run(_ interpreter: Interpreter) throws(Failure) -> MarkedText {
        var result = MarkedText()
        while let place = format.firstOffset(of: MarkedText("%"), from: position) {
            result.append(format[position..<place])
            position = place + 1
            let part = try conversion(interpreter)
            try interpreter.charge(part.bytes.count)
            result.append(part)
        }
        result.append(format[position..<format.bytes.count])
        return result
    }

    private mutating func conversion(_ interpreter: Interpreter) throws(Failure) -> MarkedText {
        var value: Value?
        if take(["("]) != nil { value = try named(interpreter) }
        var specification = FormatSpecification()
        var isLeft = false
        var isZero = false
        while let flag = take(["-", "+", " ", "#", "0"]) {
            switch flag {
            case "-": isLeft = true
            case "+": specification.sign = "+"
            case " ": if specification.sign == "-" { specification.sign = " " }
            case "#": specification.isAlternate = true
            default: isZero = true
            }
        }
        specification.width = try number(interpreter) ?? 0
        if specification.width < 0 {
            isLeft = true
            specification.width = -specification.width
        }
        if take(["."]) != nil { specification.precision = max(try number(interpreter) ?? 0, 0) }
        _ = take(["h", "l", "L"])
        guard position < format.bytes.count else { throw interpreter.failure("incomplete format") }
        let type = Character(format.scalar(at: position))
        position = format.end(ofCharacterAt: position)
        if type == "%" { return MarkedText("%") }
        if isLeft {
            specification.alignment = "<"
        } else if isZero, type != "s", type != "r", type != "a", type != "c" {
            specification.alignment = "="
            specification.fill = MarkedText("0")
        }
        if specification.alignment == nil { specification.alignment = ">" }
        if let value { return try format(value, type, specification, interpreter) }
        return try format(try next(interpreter), type, specification, interpreter)
    }

    private func format(
        _ value: Value, _ type: Character, _ specification: FormatSpecification, _ interpreter: Interpreter
    ) throws(Failure) -> MarkedText {
        var specification = specification
        switch type {
        case "s": return try interpreter.layOut(try interpreter.text(of: value), specification)
        case "r", "a": return try interpreter.layOut(try interpreter.represented(value), specification)
        case "c":
            if let text = value.string {
                guard text.length == 1 else { throw interpreter.failure("%c requires int or char") }
                specification.precision = nil
                return try interpreter.layOut(text, specification)
            }
            guard let code = value.integer else { throw interpreter.failure("%c requires int or char") }
            specification.type = "c"
            specification.precision = nil
            return try interpreter.layOut(.int(code), specification)
        case "d", "i", "u", "x", "X", "o":
            specification.type = type == "i" || type == "u" ? "d" : type
            return try interpreter.layOut(.int(try whole(value, type, interpreter)), specification)
        case "e", "E", "f", "F", "g", "G":
            guard let number = value.number else {
                throw interpreter.failure("must be real number, not \(interpreter.typeName(value))")
            }
            specification.type = type
            return try interpreter.layOut(.double(number), specification)
        default: throw interpreter.failure("unsupported format character '\(type)'")
        }
    }

    private func whole(_ value: Value, _ type: Character, _ interpreter: Interpreter) throws(Failure) -> Int {
        if let integer = value.integer { return integer }
        guard case .double(let number) = value, "diu".contains(type) else {
            throw interpreter.failure(
                "%\(type) format: a number is required, not \(interpreter.typeName(value))")
        }
        guard let integer = Int(exactly: number.rounded(.towardZero)) else {
            throw interpreter.failure("cannot convert this float to an integer of 64 bits")
        }
        return integer
    }

    // MARK: Reading

    /// The value of a key in parentheses, which may hold some themselves.
    private mutating func named(_ interpreter: Interpreter) throws(Failure) -> Value {
        guard let mapping else { throw interpreter.failure("format requires a mapping") }
        let start = position
        var open = 1
        while position < format.bytes.count {
            let byte = format.bytes[position]
            position += 1
            if byte == UInt8(ascii: "(") { open += 1 } else if byte == UInt8(ascii: ")") { open -= 1 }
            if open == 0 {
                let key = format[start..<(position - 1)]
                guard let value = mapping[.string(key)] else {
                    throw interpreter.failure("KeyError: '\(key.text)'")
                }
                return value
            }
        }
        throw interpreter.failure("incomplete format key")
    }

    private mutating func next(_ interpreter: Interpreter) throws(Failure) -> Value {
        guard let value = arguments.popFirst() else {
            throw interpreter.failure("not enough arguments for format string")
        }
        return value
    }

    private mutating func take(_ characters: [Unicode.Scalar]) -> Unicode.Scalar? {
        guard position < format.bytes.count else { return nil }
        let scalar = Unicode.Scalar(format.bytes[position])
        guard characters.contains(scalar) else { return nil }
        position += 1
        return scalar
    }

    /// A width or a precision: digits, or `*` for the next argument.
    private mutating func number(_ interpreter: Interpreter) throws(Failure) -> Int? {
        if take(["*"]) != nil {
            guard let value = try next(interpreter).integer else { throw interpreter.failure("* wants int") }
            return try checked(value, interpreter)
        }
        let start = position
        while position < format.bytes.count, (48...57).contains(format.bytes[position]) { position += 1 }
        guard position > start else { return nil }
        return try checked(Int(format[start..<position].text) ?? .max, interpreter)
    }

    private func checked(_ value: Int, _ interpreter: Interpreter) throws(Failure) -> Int {
        guard value.magnitude <= FormatSpecification.largest else {
            throw interpreter.failure(
                "a width or precision in a format is larger than \(FormatSpecification.largest)")
        }
        return value
    }
}
