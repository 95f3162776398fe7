import Storage

/// The filter `tojson` as transformers has it, which is Python's `json.dumps`.
struct JSONWriter {
    let interpreter: Interpreter
    let escapesAll: Bool
    let sortsKeys: Bool
    /// What a level is indented by; nil writes one line.
    let indent: MarkedText?
    let separator: MarkedText
    let colon: MarkedText
    private var result = MarkedText()

    init(
        _ interpreter: Interpreter, escapesAll: Bool, sortsKeys: Bool, indent: MarkedText?,
        separators: (MarkedText, MarkedText)?
    ) {
        self.interpreter = interpreter
        self.escapesAll = escapesAll
        self.sortsKeys = sortsKeys
        self.indent = indent
        separator = separators?.0 ?? MarkedText(indent == nil ? ", " : ",")
        colon = separators?.1 ?? MarkedText(": ")
    }

    mutating func text(of value: Value) throws(Failure) -> MarkedText {
        try write(value, level: 0)
        return result
    }

    private mutating func write(_ value: Value, level: Int) throws(Failure) {
        switch value {
        case .none: result.append("null")
        case .bool(let value): result.append(value ? "true" : "false")
        case .int(let value): result.append(String(value))
        case .double(let value): result.append(JSONWriter.text(of: value))
        case .string(let text): try write(text)
        case .list(let list) where list.kind == .list || list.kind.isTuple:
            try write(list.elements, level: level)
        case .dict(let dict): try write(dict, level: level)
        default:
            throw interpreter.failure(
                "Object of type \(interpreter.typeName(value)) is not JSON serializable")
        }
    }

    private static func text(of value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
        return PythonNumber.text(value)
    }

    private mutating func write(_ elements: [Value], level: Int) throws(Failure) {
        guard !elements.isEmpty else { return result.append("[]") }
        result.append("[")
        for (index, element) in elements.enumerated() {
            try beginElement(index, level: level + 1)
            try write(element, level: level + 1)
        }
        try breakLine(level: level)
        result.append("]")
    }

    private mutating func write(_ dict: Dict, level: Int) throws(Failure) {
        guard dict.count > 0 else { return result.append("{}") }
        var entries = dict.entries
        if sortsKeys {
            entries = try interpreter.sorted(entries, descending: false) { (entry) throws(Failure) in
                entry.key
            }
        }
        result.append("{")
        for (index, entry) in entries.enumerated() {
            try beginElement(index, level: level + 1)
            try write(try key(entry.key))
            result.append(colon)
            try write(entry.value, level: level + 1)
        }
        try breakLine(level: level)
        result.append("}")
    }

    private func key(_ value: Value) throws(Failure) -> MarkedText {
        switch value {
        case .string(let text): return text
        case .int(let value): return MarkedText(String(value))
        case .double(let value): return MarkedText(JSONWriter.text(of: value))
        case .bool(let value): return MarkedText(value ? "true" : "false")
        case .none: return MarkedText("null")
        default:
            throw interpreter.failure(
                "keys must be str, int, float, bool or None, not \(interpreter.typeName(value))")
        }
    }

    private mutating func beginElement(_ index: Int, level: Int) throws(Failure) {
        try interpreter.charge(elements: 1)
        if index > 0 { result.append(separator) }
        try breakLine(level: level)
    }

    private mutating func breakLine(level: Int) throws(Failure) {
        guard let indent else { return }
        try interpreter.charge(indent.bytes.count, times: level)
        result.append("\n")
        for _ in 0..<level { result.append(indent) }
    }

    /// A string in quotes. The quotes are the template's, an escape belongs to whom the character belongs to.
    private mutating func write(_ text: MarkedText) throws(Failure) {
        try interpreter.charge(text.bytes.count)
        result.append("\"")
        let isPlain = text.bytes.allSatisfy {
            $0 >= 0x20 && $0 != 0x22 && $0 != 0x5C && (!escapesAll || $0 < 0x7F)
        }
        if !isPlain { try interpreter.charge(characters: 2 * text.bytes.count) }
        result.append(isPlain ? text : text.mapCharacters { escaped($1[$0]) })
        result.append("\"")
    }

    private func escaped(_ scalar: Unicode.Scalar) -> String {
        switch scalar {
        case "\"": return "\\\""
        case "\\": return "\\\\"
        case "\n": return "\\n"
        case "\r": return "\\r"
        case "\t": return "\\t"
        case "\u{8}": return "\\b"
        case "\u{C}": return "\\f"
        case _ where scalar.value < 0x20: return "\\u" + hexadecimal(scalar.value, 4)
        case _ where !escapesAll || scalar.isASCII: return String(scalar)
        default: return UTF16.encode(scalar)?.map { "\\u" + hexadecimal(UInt32($0), 4) }.joined() ?? ""
        }
    }
}
