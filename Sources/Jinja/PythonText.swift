import Storage

/// What Python's `str` and `repr` make of values.
extension Interpreter {
    /// `str(value)`.
    func text(of value: Value) throws(Failure) -> MarkedText {
        switch value {
        case .string(let text): return text
        case .undefined: return MarkedText()
        default: return try represented(value)
        }
    }

    /// `repr(value)`.
    func represented(_ value: Value) throws(Failure) -> MarkedText {
        var result = MarkedText()
        try represent(value, into: &result)
        return result
    }

    private func represent(_ value: Value, into result: inout MarkedText) throws(Failure) {
        try descend()
        defer { ascend() }
        switch value {
        case .undefined: result.append("Undefined")
        case .none: result.append("None")
        case .bool(let value): result.append(value ? "True" : "False")
        case .int(let value): result.append(String(value))
        case .double(let value): result.append(PythonNumber.text(value))
        case .string(let text):
            try charge(characters: text.bytes.count)
            result.append(quoted(text))
        case .list(let list): try represent(list, into: &result)
        case .dict(let dict): try represent(dict, into: &result)
        case .method(let owner, let name):
            result.append("<built-in method \(name) of \(typeName(owner)) object>")
        case .function(let function): result.append("<function \(function.rawValue)>")
        case .object(let number): try represent(objects[number], into: &result)
        }
    }

    private func represent(_ object: Object, into result: inout MarkedText) throws(Failure) {
        switch object {
        case .namespace(let namespace):
            result.append("<Namespace ")
            try represent(namespace.values, into: &result)
            result.append(">")
        case .loop(let state): result.append("<LoopContext \(state.index + 1)/\(try length(state))>")
        case .macro(let closure): result.append("<Macro '\(closure.macro.name)'>")
        default: result.append("<\(object.typeName) object>")
        }
    }

    private func represent(_ list: List, into result: inout MarkedText) throws(Failure) {
        switch list.kind {
        case .list: try represent(list.elements, "[", "]", into: &result)
        case .tuple, .group:
            try represent(list.elements, "(", list.elements.count == 1 ? ",)" : ")", into: &result)
        case .range(let start, let end, let step):
            result.append("range(\(start), \(end)\(step == 1 ? "" : ", \(step)"))")
        case .keys, .values, .items:
            try represent(list.elements, list.kind.typeName + "([", "])", into: &result)
        }
    }

    private func represent(
        _ elements: [Value], _ opening: String, _ closing: String, into result: inout MarkedText
    ) throws(Failure) {
        result.append(opening)
        for (index, element) in elements.enumerated() {
            try charge(elements: 1)
            if index > 0 { result.append(", ") }
            try represent(element, into: &result)
        }
        result.append(closing)
    }

    private func represent(_ dict: Dict, into result: inout MarkedText) throws(Failure) {
        result.append("{")
        for (index, entry) in dict.entries.enumerated() {
            try charge(elements: 1)
            if index > 0 { result.append(", ") }
            try represent(entry.key, into: &result)
            result.append(": ")
            try represent(entry.value, into: &result)
        }
        result.append("}")
    }

    /// A string with quotes and escapes; what comes from it keeps its marks.
    private func quoted(_ text: MarkedText) -> MarkedText {
        let quote: Unicode.Scalar =
            text.bytes.contains(UInt8(ascii: "'")) && !text.bytes.contains(UInt8(ascii: "\"")) ? "\"" : "'"
        var result = MarkedText(String(quote))
        result.append(
            text.mapCharacters { index, scalars in
                let scalar = scalars[index]
                switch scalar {
                case quote, "\\": return "\\" + String(scalar)
                case "\n": return "\\n"
                case "\r": return "\\r"
                case "\t": return "\\t"
                default: break
                }
                if scalar.isPythonPrintable { return String(scalar) }
                return switch scalar.value {
                case ..<0x100: "\\x" + hexadecimal(scalar.value, 2)
                case ..<0x10000: "\\u" + hexadecimal(scalar.value, 4)
                default: "\\U" + hexadecimal(scalar.value, 8)
                }
            })
        result.append(String(quote))
        return result
    }
}

/// A number in hexadecimal digits, at least as many as wanted.
func hexadecimal(_ value: UInt32, _ width: Int) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
}

/// Python's texts of floats.
enum PythonNumber {
    /// The shortest text that reads back equal, in Python's form: an exponent from 1e16 and below 1e-4.
    static func text(_ value: Double) -> String {
        if value.isNaN { return "nan" }
        if value.isInfinite { return value < 0 ? "-inf" : "inf" }
        let (digits, exponent) = shortest(value.magnitude)
        let sign = value.sign == .minus ? "-" : ""
        if exponent < -4 || exponent >= 16 {
            let rest = digits.dropFirst()
            let size = String(exponent.magnitude)
            return sign + digits.prefix(1) + (rest.isEmpty ? "" : "." + rest) + (exponent < 0 ? "e-" : "e+")
                + (size.count < 2 ? "0" : "") + size
        }
        if exponent < 0 { return sign + "0." + String(repeating: "0", count: -exponent - 1) + digits }
        let padded = digits + String(repeating: "0", count: max(0, exponent + 2 - digits.count))
        return sign + padded.prefix(exponent + 1) + "." + padded.dropFirst(exponent + 1)
    }

    /// The shortest digits of a number that read back equal, and the power of ten of the first. Swift finds the same.
    private static func shortest(_ value: Double) -> (digits: String, exponent: Int) {
        let parts = value.description.split(separator: "e")
        let number = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        let whole = number[0]
        let fraction = number.count > 1 ? number[1] : ""
        let all = whole + fraction
        let leading = all.prefix { $0 == "0" }.count
        var digits = all.dropFirst(leading)
        while digits.last == "0" { digits.removeLast() }
        if digits.isEmpty { return ("0", 0) }
        let power = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        return (String(digits), power + whole.count - 1 - leading)
    }
}
