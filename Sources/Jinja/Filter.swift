import Storage

/// The filters. Those of Jinja that make HTML or wrap lines are left out: no chat template has them. `escape` and `safe` give
/// plain strings: what is added to them is not escaped in its turn.
enum Filter: String, CaseIterable {
    case abs, attr, batch, capitalize, center, count, d, `default`, dictsort, e, escape, first, float,
        forceescape
    case format, groupby, indent, int, items, join, last, length, list, lower, map, max, min, reject,
        rejectattr
    case replace, reverse, round, safe, select, selectattr, slice, sort, string, sum, title, tojson, trim,
        truncate
    case unique, upper, wordcount
}

extension Interpreter {
    func apply(_ filter: Filter, to value: Value, _ arguments: Arguments) throws(Failure) -> Value {
        switch filter {
        case .capitalize, .center, .e, .escape, .forceescape, .format, .indent, .lower, .replace, .safe,
            .string,
            .title, .tojson, .trim, .truncate, .upper, .wordcount:
            try apply(textFilter: filter, to: value, arguments)
        case .abs, .float, .int, .round, .sum, .max, .min:
            try apply(numberFilter: filter, to: value, arguments)
        case .map, .select, .selectattr, .reject, .rejectattr:
            try deferred { () throws(Failure) in try apply(choosingFilter: filter, to: value, arguments) }
        case .batch, .items, .slice, .unique:
            try deferred { () throws(Failure) in try apply(rowFilter: filter, to: value, arguments) }
        default: try apply(rowFilter: filter, to: value, arguments)
        }
    }

    // MARK: Attributes by their path

    /// What a path like `address.city` or `0` leads to; a value that is not there becomes the default.
    func follow(_ path: [Value], from value: Value, default fallback: Value? = nil) throws(Failure) -> Value {
        var value = value
        for step in path {
            value = try item(step, of: value)
            if let fallback, value.isUndefined { value = fallback }
        }
        return value
    }

    func path(_ attribute: Value?) -> [Value] {
        switch attribute {
        case nil, Value.none?: []
        case .string(let text)?: path(text)
        case let other?: [other]
        }
    }

    private func path(_ text: MarkedText) -> [Value] {
        text.split(MarkedText("."), limit: .max).map { part in
            let isNumber = !part.isEmpty && part.bytes.allSatisfy { (48...57).contains($0) }
            return isNumber ? Int(part.text).map(Value.int) ?? .string(part) : .string(part)
        }
    }

    /// The key that values are compared by: strings in small letters, unless case counts.
    func comparable(_ value: Value, isCaseSensitive: Bool) throws(Failure) -> Value {
        guard !isCaseSensitive, let text = value.string else { return value }
        return try string(text.lowercased)
    }
}
