import Storage

/// Filters that make texts.
extension Interpreter {
    func apply(textFilter filter: Filter, to value: Value, _ arguments: Arguments) throws(Failure) -> Value {
        if filter == .tojson { return try json(value, arguments) }
        let text = try text(of: value)
        try charge(characters: text.bytes.count)
        switch filter {
        case .capitalize: return try simple(text.capitalized, filter, arguments)
        case .title: return try simple(text.titledByJinja, filter, arguments)
        case .lower: return try simple(text.lowercased, filter, arguments)
        case .upper: return try simple(text.uppercased, filter, arguments)
        case .string, .safe: return try simple(text, filter, arguments)
        case .e, .escape, .forceescape: return try simple(escaped(text), filter, arguments)
        case .wordcount:
            _ = try bind(arguments, of: "wordcount")
            return .int(words(of: text))
        case .center:
            let width =
                try integer(try bind(arguments, to: "width", of: "center")[0], "the width of center") ?? 80
            return .string(try centered(text, width: width, fill: MarkedText(" ")))
        case .trim:
            let bound = try bind(arguments, to: "chars", of: "trim")
            return .string(text.trimmed(try trimmedSet(bound[0]), left: true, right: true))
        case .format: return try string(percentFormat(text, try formatArguments(arguments)))
        case .replace: return try replace(text, arguments)
        case .indent:
            guard value.string != nil else { throw failure("'\(typeName(value))' object cannot be indented") }
            return try indent(text, arguments)
        default: return try truncate(value, text, arguments)
        }
    }

    private func simple(_ text: MarkedText, _ filter: Filter, _ arguments: Arguments) throws(Failure) -> Value
    {
        _ = try bind(arguments, of: filter.rawValue)
        return try string(text)
    }

    private func escaped(_ text: MarkedText) -> MarkedText {
        text.mapCharacters { index, scalars in
            switch scalars[index] {
            case "&": "&amp;"
            case "<": "&lt;"
            case ">": "&gt;"
            case "'": "&#39;"
            case "\"": "&#34;"
            default: String(scalars[index])
            }
        }
    }

    private func words(of text: MarkedText) -> Int {
        var count = 0
        var isInside = false
        for scalar in text.scalars {
            let belongs = scalar == "_" || scalar.isPythonAlphanumeric
            if belongs, !isInside { count += 1 }
            isInside = belongs
        }
        return count
    }

    private func formatArguments(_ arguments: Arguments) throws(Failure) -> Value {
        guard !arguments.keywords.isEmpty else { return try list(arguments.positional, .tuple) }
        guard arguments.positional.isEmpty else {
            throw failure("can't handle positional and keyword arguments at the same time")
        }
        var dict = Dict()
        for (name, value) in arguments.keywords { dict.set(name, to: value) }
        return .dict(dict)
    }

    private func replace(_ text: MarkedText, _ arguments: Arguments) throws(Failure) -> Value {
        let bound = try bind(arguments, to: "old", "new", "count", required: 2, of: "replace")
        let old = try self.text(of: bound[0] ?? .none)
        let new = try self.text(of: bound[1] ?? .none)
        return .string(
            try replaced(text, old, new, try integerOrNone(bound[2], "the count of replace") ?? -1))
    }

    /// `str.replace`, where the result is counted before it is made.
    func replaced(_ text: MarkedText, _ old: MarkedText, _ new: MarkedText, _ count: Int) throws(Failure)
        -> MarkedText
    {
        try charge(text.bytes.count)
        let limit = count < 0 ? Int.max : count
        try charge(
            new.bytes.count + Interpreter.elementSize, times: text.offsets(of: old, limit: limit).count)
        return text.replacing(old, with: new, limit: limit)
    }

    private func indent(_ text: MarkedText, _ arguments: Arguments) throws(Failure) -> Value {
        let bound = try bind(arguments, to: "width", "first", "blank", of: "indent")
        let width = try indention(bound[0])
        let indentsBlank = bound[2].map(truth) ?? false
        // A line break at the end stays one, and a text without lines is one empty line.
        let lines = (text + MarkedText("\n")).lines()
        try charge(width.bytes.count + Interpreter.elementSize, times: lines.count)
        var result = MarkedText()
        if bound[1].map(truth) ?? false { result.append(width) }
        for (index, line) in lines.enumerated() {
            if index > 0 {
                result.append("\n")
                if indentsBlank || !line.isEmpty { result.append(width) }
            }
            result.append(line)
        }
        return try string(result)
    }

    /// What lines are indented by: a text, or a number of spaces.
    func indention(_ value: Value?) throws(Failure) -> MarkedText {
        if let text = value?.string { return text }
        let width = try integer(value, "the width of an indent") ?? 4
        try charge(1, times: width)
        return MarkedText(String(repeating: " ", count: max(width, 0)))
    }

    private func truncate(_ value: Value, _ text: MarkedText, _ arguments: Arguments) throws(Failure) -> Value
    {
        let bound = try bind(arguments, to: "length", "killwords", "end", "leeway", of: "truncate")
        let length = try integer(bound[0], "the length of truncate") ?? 255
        let end =
            try bound[2].map { (value) throws(Failure) in try string(value, "the end of truncate") }
            ?? MarkedText("...")
        let leeway = try integerOrNone(bound[3], "the leeway of truncate") ?? 5
        guard length >= end.length else { throw failure("expected length >= \(end.length), got \(length)") }
        guard leeway >= 0 else { throw failure("expected leeway >= 0, got \(leeway)") }
        let (longest, overflow) = length.addingReportingOverflow(leeway)
        if try self.length(of: value) <= (overflow ? .max : longest) { return value }
        guard value.string != nil else { throw failure("'\(typeName(value))' object cannot be truncated") }
        let head = text[0..<(text.offset(ofCharacter: length - end.length) ?? text.bytes.count)]
        if bound[1].map(truth) ?? false { return try string(head + end) }
        return try string(head.splitFromRight(MarkedText(" "), limit: 1)[0] + end)
    }

    private func json(_ value: Value, _ arguments: Arguments) throws(Failure) -> Value {
        let bound = try bind(
            arguments, to: "ensure_ascii", "indent", "separators", "sort_keys", of: "tojson")
        var writer = JSONWriter(
            self, escapesAll: bound[0].map(truth) ?? false, sortsKeys: bound[3].map(truth) ?? false,
            indent: try jsonIndent(bound[1]), separators: try separators(bound[2]))
        return try string(writer.text(of: value))
    }

    private func jsonIndent(_ value: Value?) throws(Failure) -> MarkedText? {
        switch value {
        case nil, Value.none?: nil
        default: try indention(value)
        }
    }

    private func separators(_ value: Value?) throws(Failure) -> (MarkedText, MarkedText)? {
        guard let value else { return nil }
        if case .none = value { return nil }
        let parts = try elements(of: value)
        guard parts.count == 2 else { throw failure("the separators of tojson must be two") }
        return (try string(parts[0], "a separator of tojson"), try string(parts[1], "a separator of tojson"))
    }
}
