import Storage

/// The tests behind `is`.
enum Check: String, CaseIterable {
    case odd, even, divisibleby, defined, undefined, filter, test, none, boolean, `false`, `true`, integer,
        float
    case lower, upper, string, mapping, number, sequence, iterable, callable, sameas, escaped, `in`
    case eq, equalto, ne, gt, greaterthan, ge, lt, lessthan, le
    case equalSign = "=="
    case unequalSign = "!="
    case greaterSign = ">"
    case greaterOrEqualSign = ">="
    case lessSign = "<"
    case lessOrEqualSign = "<="

    /// The comparison that a test is another name of.
    var comparison: Comparison? {
        switch self {
        case .eq, .equalto, .equalSign: .equal
        case .ne, .unequalSign: .unequal
        case .gt, .greaterthan, .greaterSign: .greater
        case .ge, .greaterOrEqualSign: .greaterOrEqual
        case .lt, .lessthan, .lessSign: .less
        case .le, .lessOrEqualSign: .lessOrEqual
        case .in: .isIn
        default: nil
        }
    }
}

extension Interpreter {
    func check(_ test: Check, _ value: Value, _ arguments: Arguments) throws(Failure) -> Bool {
        if let comparison = test.comparison {
            let other =
                try bind(arguments, to: "other", required: 1, of: "the test \(test.rawValue)")[0] ?? .none
            return try holds(comparison, value, other)
        }
        switch test {
        case .divisibleby, .sameas:
            let other =
                try bind(arguments, to: "other", required: 1, of: "the test \(test.rawValue)")[0] ?? .none
            if test == .sameas { return try isSame(value, other) }
            return try isZero(try calculate(.remainder, value, other))
        default:
            _ = try bind(arguments, of: "the test \(test.rawValue)")
            return try check(test, value)
        }
    }

    private func check(_ test: Check, _ value: Value) throws(Failure) -> Bool {
        switch (test, value) {
        case (.defined, _): return !value.isUndefined
        case (.undefined, _): return value.isUndefined
        case (.none, .none), (.string, .string), (.mapping, .dict), (.boolean, .bool), (.float, .double),
            (.integer, .int):
            return true
        case (.true, .bool(let value)): return value
        case (.false, .bool(let value)): return !value
        case (.number, _): return value.number != nil
        case (.sequence, _): return isSequence(value)
        case (.iterable, _): return isIterable(value)
        case (.callable, _): return isCallable(value)
        case (.odd, _): return try equal(try calculate(.remainder, value, .int(2)), .int(1))
        case (.even, _): return try isZero(try calculate(.remainder, value, .int(2)))
        case (.lower, _): return hasCase(try text(of: value), wanted: \.isLowercase, unwanted: \.isUppercase)
        case (.upper, _): return hasCase(try text(of: value), wanted: \.isUppercase, unwanted: \.isLowercase)
        case (.filter, _): return Filter(rawValue: try string(value, "the name of a filter").text) != nil
        case (.test, _): return Check(rawValue: try string(value, "the name of a test").text) != nil
        default: return false
        }
    }

    private func isZero(_ value: Value) throws(Failure) -> Bool { try equal(value, .int(0)) }

    private func isSequence(_ value: Value) -> Bool {
        switch value {
        case .string, .dict: true
        case .list(let list): list.kind.isSequence
        // Jinja asks for a length and for elements by key; it gets both from what is undefined.
        case .undefined: true
        default: false
        }
    }

    private func isIterable(_ value: Value) -> Bool {
        switch value {
        case .string, .dict, .list, .undefined: return true
        case .object(let number):
            switch objects[number] {
            case .generator, .loop: return true
            default: return false
            }
        default: return false
        }
    }

    private func isCallable(_ value: Value) -> Bool {
        switch value {
        case .method, .function, .undefined: return true
        case .object(let number):
            switch objects[number] {
            case .macro, .joiner, .loop: return true
            default: return false
            }
        default: return false
        }
    }

    private func isSame(_ left: Value, _ right: Value) throws(Failure) -> Bool {
        left.typeName == right.typeName && !left.isUndefined ? try equal(left, right) : false
    }

    /// `str.islower` and `str.isupper`: some letters of the case, none of the other.
    func hasCase(
        _ text: MarkedText, wanted: (Unicode.Scalar.Properties) -> Bool,
        unwanted: (Unicode.Scalar.Properties) -> Bool
    ) -> Bool {
        var found = false
        for scalar in text.scalars {
            if unwanted(scalar.properties) || scalar.properties.generalCategory == .titlecaseLetter {
                return false
            }
            found = found || wanted(scalar.properties)
        }
        return found
    }
}
