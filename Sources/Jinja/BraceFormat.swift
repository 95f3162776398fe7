import Storage

/// `"{} {name}".format(…)`, as Python formats.
extension Interpreter {
    func braceFormat(_ format: MarkedText, _ arguments: Arguments) throws(Failure) -> MarkedText {
        try charge(format.bytes.count)
        var formatter = BraceFormatter(interpreter: self, arguments: arguments)
        return try formatter.run(format, level: 0)
    }
}

private struct BraceFormatter {
    let interpreter: Interpreter
    let arguments: Arguments
    /// The number of the next field without one; nil once fields have numbers.
    private var automatic: Int?
    private var usesNumbers = false

    init(interpreter: Interpreter, arguments: Arguments) {
        self.interpreter = interpreter
        self.arguments = arguments
    }

    mutating func run(_ format: MarkedText, level: Int) throws(Failure) -> MarkedText {
        guard level < 3 else { throw interpreter.failure("Max string recursion exceeded") }
        var result = MarkedText()
        var start = 0
        var place = 0
        let bytes = format.bytes
        while place < bytes.count {
            let byte = bytes[place]
            guard byte == UInt8(ascii: "{") || byte == UInt8(ascii: "}") else {
                place += 1
                continue
            }
            result.append(format[start..<place])
            if place + 1 < bytes.count, bytes[place + 1] == byte {
                start = place + 1
                place += 2
                continue
            }
            guard byte == UInt8(ascii: "{") else {
                throw interpreter.failure("Single '}' encountered in format string")
            }
            guard let end = closing(bytes, place + 1) else {
                throw interpreter.failure("Single '{' encountered in format string")
            }
            try interpreter.charge(characters: 40)
            let part = try field(format[(place + 1)..<end], level: level)
            try interpreter.charge(part.bytes.count)
            result.append(part)
            place = end + 1
            start = place
        }
        result.append(format[start..<bytes.count])
        return result
    }

    private func closing(_ bytes: [UInt8], _ start: Int) -> Int? {
        var open = 1
        for place in start..<bytes.count {
            if bytes[place] == UInt8(ascii: "{") {
                open += 1
            } else if bytes[place] == UInt8(ascii: "}") {
                open -= 1
            }
            if open == 0 { return place }
        }
        return nil
    }

    /// `name!conversion:specification`.
    private mutating func field(_ field: MarkedText, level: Int) throws(Failure) -> MarkedText {
        let colon = field.firstOffset(of: MarkedText(":")) ?? field.bytes.count
        var name = field[0..<colon]
        var conversion: String?
        if let mark = name.firstOffset(of: MarkedText("!")) {
            conversion = name[(mark + 1)..<colon].text
            name = name[0..<mark]
        }
        var value = try self.value(of: name)
        switch conversion {
        case nil: break
        case "s": value = .string(try interpreter.text(of: value))
        case "r", "a": value = .string(try interpreter.represented(value))
        default: throw interpreter.failure("Unknown conversion specifier '\(conversion ?? "")'")
        }
        let rest = field[min(colon + 1, field.bytes.count)..<field.bytes.count]
        return try layOut(value, try run(rest, level: level + 1))
    }

    /// The value of a name like `0`, `user.name` or `list[0]`.
    private mutating func value(of name: MarkedText) throws(Failure) -> Value {
        let end =
            name.bytes.firstIndex { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "[") } ?? name.bytes.count
        var value = try argument(name[0..<end].text)
        var rest = name[end..<name.bytes.count]
        while !rest.isEmpty {
            try interpreter.countStep()
            if rest.bytes[0] == UInt8(ascii: ".") {
                let inner = rest[1..<rest.bytes.count]
                let end = inner.bytes.firstIndex { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "[") }
                value = try interpreter.attribute(
                    AttributeName(inner[0..<(end ?? inner.bytes.count)].text), of: value)
                rest = inner[(end ?? inner.bytes.count)..<inner.bytes.count]
            } else {
                guard rest.bytes[0] == UInt8(ascii: "["), let end = rest.firstOffset(of: MarkedText("]"))
                else {
                    throw interpreter.failure("Missing ']' in format string")
                }
                let key = rest[1..<end]
                value = try interpreter.item(Int(key.text).map(Value.int) ?? .string(key), of: value)
                rest = rest[(end + 1)..<rest.bytes.count]
            }
        }
        return value
    }

    private mutating func argument(_ name: String) throws(Failure) -> Value {
        let number: Int
        if name.isEmpty {
            if usesNumbers { throw interpreter.failure("cannot mix numbered fields with others") }
            number = automatic ?? 0
            automatic = number + 1
        } else if let given = Int(name), given >= 0 {
            if automatic != nil { throw interpreter.failure("cannot mix numbered fields with others") }
            usesNumbers = true
            number = given
        } else {
            guard let value = arguments.keywords.last(where: { $0.name == name })?.value else {
                throw interpreter.failure("KeyError: '\(name)'")
            }
            return value
        }
        guard number < arguments.positional.count else {
            throw interpreter.failure("Replacement index \(number) out of range for positional args tuple")
        }
        return arguments.positional[number]
    }

    private func layOut(_ value: Value, _ text: MarkedText) throws(Failure) -> MarkedText {
        if text.isEmpty { return try interpreter.text(of: value) }
        guard case .string(let string) = value else {
            guard value.number != nil else {
                throw interpreter.failure(
                    "unsupported format string passed to \(interpreter.typeName(value))")
            }
            let specification = try specification(text, isText: false)
            guard value.integer == nil || specification.precision == nil || specification.type != nil else {
                throw interpreter.failure("Precision not allowed in integer format specifier")
            }
            if case .bool(let truth) = value, specification.type == nil {
                return try interpreter.layOut(MarkedText(truth ? "True" : "False"), specification)
            }
            return try interpreter.layOut(value, specification)
        }
        let specification = try specification(text, isText: true)
        return try interpreter.layOut(string, specification)
    }

    /// `[[fill]align][sign][#][0][width][,][.precision][type]`.
    private func specification(_ text: MarkedText, isText: Bool) throws(Failure) -> FormatSpecification {
        var specification = FormatSpecification()
        var rest = text.characters[...]
        func isAlignment(_ character: MarkedText?) -> Bool {
            character.map { "<>^=".contains($0.text) } ?? false
        }
        if rest.count > 1, isAlignment(rest[rest.startIndex + 1]) {
            specification.fill = rest.removeFirst()
            specification.alignment = rest.removeFirst().text.first
        } else if isAlignment(rest.first) {
            specification.alignment = rest.removeFirst().text.first
        }
        func take(_ wanted: String) -> Character? {
            guard let first = rest.first?.text, wanted.contains(first) else { return nil }
            rest.removeFirst()
            return first.first
        }
        if !isText, let sign = take("+- ") { specification.sign = sign }
        if !isText { specification.isAlternate = take("#") != nil }
        if take("0") != nil, specification.alignment == nil {
            specification.fill = MarkedText("0")
            specification.alignment = isText ? "<" : "="
        }
        func number() throws(Failure) -> Int? {
            var digits = ""
            while let digit = take("0123456789") { digits.append(digit) }
            guard !digits.isEmpty else { return nil }
            guard let value = Int(digits), value <= FormatSpecification.largest else {
                throw interpreter.failure(
                    "a width or precision in a format is larger than \(FormatSpecification.largest)")
            }
            return value
        }
        specification.width = try number() ?? 0
        if !isText { specification.grouping = take(",_") }
        if take(".") != nil {
            guard let precision = try number() else {
                throw interpreter.failure("Format specifier missing precision")
            }
            specification.precision = precision
        }
        specification.type = take(isText ? "s" : "bcdeEfFgGnoxX%")
        guard rest.isEmpty, !isText || specification.alignment != "=" else {
            throw interpreter.failure("Invalid format specifier '\(text.text)'")
        }
        return specification
    }
}
