import Storage

/// How a number or a text is laid out: what `%` and `str.format` have in common.
struct FormatSpecification {
    var fill = MarkedText(" ")
    /// `<`, `>`, `^`, `=`; nil for what is usual for the type.
    var alignment: Character?
    /// `+`, `-` or a space.
    var sign: Character = "-"
    /// `#`: the form with a prefix or a point.
    var isAlternate = false
    var width = 0
    /// What stands between groups of digits.
    var grouping: Character?
    var precision: Int?
    var type: Character?

    /// More digits and spaces than these are an error: no template needs them.
    static let largest = 1000
}

extension Interpreter {
    /// A text in its place.
    func layOut(_ text: MarkedText, _ specification: FormatSpecification) throws(Failure) -> MarkedText {
        var text = text
        if let precision = specification.precision, let end = text.offset(ofCharacter: precision) {
            text = text[0..<end]
        }
        return try place(text, specification, usual: "<")
    }

    /// A number in its place.
    func layOut(_ number: Value, _ specification: FormatSpecification) throws(Failure) -> MarkedText {
        try charge(characters: 40 + (specification.precision ?? 0))
        let type = specification.type
        var (isNegative, prefix, digits) =
            if let integer = number.integer, type == nil || type.map("dioxXbnc".contains) == true {
                try digits(of: integer, specification)
            } else {
                try digits(of: number.number ?? 0, isInteger: number.integer != nil, specification)
            }
        if let grouping = specification.grouping { digits = grouped(digits, grouping) }
        let sign = isNegative ? "-" : specification.sign == "-" ? "" : String(specification.sign)
        prefix = sign + prefix
        if specification.alignment == "=" {
            let room = max(0, specification.width - prefix.utf8.count - digits.utf8.count)
            return MarkedText(prefix) + (try copies(specification.fill, room)) + MarkedText(digits)
        }
        return try place(MarkedText(prefix + digits), specification, usual: ">")
    }

    private func place(
        _ text: MarkedText, _ specification: FormatSpecification, usual: Character
    ) throws(Failure) -> MarkedText {
        let room = max(0, specification.width - text.length)
        let left =
            switch specification.alignment ?? usual {
            case "<": 0
            case "^": room / 2
            default: room
            }
        return try copies(specification.fill, left) + text + copies(specification.fill, room - left)
    }

    private func digits(
        of value: Int, _ specification: FormatSpecification
    ) throws(Failure) -> (isNegative: Bool, prefix: String, digits: String) {
        let (radix, prefix) =
            switch specification.type {
            case "x", "X": (16, "0x")
            case "o": (8, "0o")
            case "b": (2, "0b")
            default: (10, "")
            }
        if specification.type == "c" {
            guard let code = UInt32(exactly: value), let scalar = Unicode.Scalar(code) else {
                throw failure("%c arg not in range")
            }
            return (false, "", String(scalar))
        }
        var digits = String(value.magnitude, radix: radix, uppercase: specification.type == "X")
        // Of `%d` the precision is the fewest digits.
        if let precision = specification.precision, precision > digits.utf8.count {
            digits = String(repeating: "0", count: precision - digits.utf8.count) + digits
        }
        let shown = specification.isAlternate ? specification.type == "X" ? prefix.uppercased() : prefix : ""
        return (value < 0, shown, digits)
    }

    private func digits(
        of value: Double, isInteger: Bool, _ specification: FormatSpecification
    ) throws(Failure) -> (isNegative: Bool, prefix: String, digits: String) {
        let isNegative = value.sign == .minus && !value.isNaN
        let magnitude = value.magnitude
        guard value.isFinite else {
            let word = value.isNaN ? "nan" : "inf"
            return (
                isNegative, "", specification.type.map { $0.isUppercase } == true ? word.uppercased() : word
            )
        }
        let mark = specification.isAlternate ? "#" : ""
        let precision = specification.precision ?? 6
        let digits: String
        switch specification.type {
        case "f", "F", "e", "E", "g", "G":
            let letter = specification.type.map(String.init) ?? ""
            digits = PythonNumber.printed("%\(mark).*\(letter)", magnitude, precision)
        case "%": digits = PythonNumber.fixed(magnitude * 100, precision) + "%"
        default:
            digits = specification.precision.map { general(magnitude, $0) } ?? PythonNumber.text(magnitude)
        }
        return (isNegative, "", digits)
    }

    /// Without a type, a float keeps one digit behind the point.
    private func general(_ value: Double, _ precision: Int) -> String {
        let precision = max(precision, 1)
        let scientific = PythonNumber.printed("%.*e", value, precision - 1)
        let exponent = scientific.split(separator: "e").last.flatMap { Int($0) } ?? 0
        var digits = PythonNumber.printed("%.*g", value, precision)
        if exponent >= precision - 1, !digits.contains("e") {
            digits = scientific
            if digits.contains(".") {
                var parts = digits.split(separator: "e").map(String.init)
                while parts[0].hasSuffix("0") { parts[0].removeLast() }
                if parts[0].hasSuffix(".") { parts[0].removeLast() }
                digits = parts.joined(separator: "e")
            }
            return digits
        }
        return digits.contains(".") || digits.contains("e") ? digits : digits + ".0"
    }

    private func grouped(_ digits: String, _ separator: Character) -> String {
        let whole = digits.prefix { $0.isNumber }
        var result = ""
        for (index, digit) in whole.enumerated() {
            if index > 0, (whole.count - index) % 3 == 0 { result.append(separator) }
            result.append(digit)
        }
        return result + digits.dropFirst(whole.count)
    }
}
