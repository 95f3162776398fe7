import Storage

/// The methods of strings.
enum TextMethods {
    static let names: Set<String> = changing.union(searching).union(asking).union(shaping).union(unavailable)

    /// They make another string of one.
    static let changing: Set<String> = [
        "capitalize", "casefold", "lower", "swapcase", "title", "upper", "strip", "lstrip", "rstrip",
        "replace",
        "removeprefix", "removesuffix",
    ]
    /// They look for a string in one, or cut one into several.
    static let searching: Set<String> = [
        "count", "endswith", "find", "index", "partition", "rfind", "rindex", "rpartition", "rsplit", "split",
        "splitlines", "startswith", "join",
    ]
    /// They answer yes or no.
    static let asking: Set<String> = [
        "isalnum", "isalpha", "isascii", "isdecimal", "isdigit", "isidentifier", "islower", "isnumeric",
        "isprintable", "isspace", "istitle", "isupper",
    ]
    /// They fill and format.
    static let shaping: Set<String> = [
        "center", "expandtabs", "format", "format_map", "ljust", "rjust", "zfill",
    ]
    /// Python has them, but they lead out of what templates need.
    static let unavailable: Set<String> = ["encode", "maketrans", "translate"]
}

extension Interpreter {
    func call(textMethod name: String, of text: MarkedText, _ arguments: Arguments) throws(Failure) -> Value {
        try charge(characters: text.bytes.count)
        if TextMethods.changing.contains(name) { return try string(change(name, text, arguments)) }
        if TextMethods.asking.contains(name) {
            _ = try bind(arguments, of: name)
            return .bool(ask(name, text))
        }
        if TextMethods.shaping.contains(name) { return .string(try shape(name, text, arguments)) }
        if TextMethods.unavailable.contains(name) { throw failure("the method '\(name)' is not available") }
        return try search(name, text, arguments)
    }

    private func change(_ name: String, _ text: MarkedText, _ arguments: Arguments) throws(Failure)
        -> MarkedText
    {
        switch name {
        case "strip", "lstrip", "rstrip":
            let bound = try bind(arguments, to: "chars", of: name)
            return text.trimmed(try trimmedSet(bound[0]), left: name != "rstrip", right: name != "lstrip")
        case "replace":
            let bound = try bind(arguments, to: "old", "new", "count", required: 2, of: name)
            return try replaced(
                text, try string(bound[0], "what is replaced"), try string(bound[1], "what replaces it"),
                try integer(bound[2], "the count of replace") ?? -1)
        case "removeprefix", "removesuffix":
            let part = try string(
                try bind(arguments, to: "part", required: 1, of: name)[0], "what is removed")
            if name == "removeprefix" {
                return text.hasPrefix(part) ? text[part.bytes.count..<text.bytes.count] : text
            }
            return text.hasSuffix(part) ? text[0..<(text.bytes.count - part.bytes.count)] : text
        default: break
        }
        _ = try bind(arguments, of: name)
        switch name {
        case "capitalize": return text.capitalized
        case "lower": return text.lowercased
        case "casefold": return text.caseFolded
        case "swapcase": return text.swappedCase
        case "title": return text.titled
        default: return text.uppercased
        }
    }

    /// The characters that `strip` takes away; nil for white space.
    func trimmedSet(_ value: Value?) throws(Failure) -> MarkedText? {
        switch value {
        case nil, Value.none?: return nil
        default:
            let set = try string(value, "what is stripped")
            try charge(set.bytes.count)
            return set
        }
    }

    private func ask(_ name: String, _ text: MarkedText) -> Bool {
        let scalars = text.scalars
        func all(_ holds: (Unicode.Scalar) -> Bool) -> Bool { !scalars.isEmpty && scalars.allSatisfy(holds) }
        switch name {
        case "isalnum": return all(\.isPythonAlphanumeric)
        case "isalpha": return all(\.isPythonLetter)
        case "isascii": return text.isASCII
        case "isdecimal": return all { $0.properties.numericType == .decimal }
        case "isdigit": return all(\.isPythonDigit)
        case "isnumeric": return all { $0.properties.numericType != nil }
        case "isprintable": return scalars.allSatisfy(\.isPythonPrintable)
        case "isspace": return all(\.isPythonSpace)
        case "islower": return hasCase(text, wanted: \.isLowercase, unwanted: \.isUppercase)
        case "isupper": return hasCase(text, wanted: \.isUppercase, unwanted: \.isLowercase)
        case "istitle": return isTitle(scalars)
        default:
            guard let first = scalars.first else { return false }
            return (first == "_" || first.properties.isXIDStart)
                && scalars.allSatisfy(\.properties.isXIDContinue)
        }
    }

    private func isTitle(_ scalars: [Unicode.Scalar]) -> Bool {
        var isInWord = false
        var found = false
        for scalar in scalars {
            let isCapital =
                scalar.properties.isUppercase || scalar.properties.generalCategory == .titlecaseLetter
            if isCapital ? isInWord : scalar.properties.isLowercase && !isInWord { return false }
            isInWord = isCapital || scalar.properties.isLowercase
            found = found || isInWord
        }
        return found
    }

    // MARK: Searching

    private func search(_ name: String, _ text: MarkedText, _ arguments: Arguments) throws(Failure) -> Value {
        switch name {
        case "startswith", "endswith": return .bool(try ends(name, text, arguments))
        case "split", "rsplit": return try split(name, text, arguments)
        case "splitlines":
            let keeps = try bind(arguments, to: "keepends", of: name)[0].map(truth) ?? false
            return try list(text.lines(keepingEnds: keeps).map(Value.string))
        case "partition", "rpartition": return try partition(name, text, arguments)
        case "join":
            var parts: [MarkedText] = []
            for element in try elements(
                of: try bind(arguments, to: "iterable", required: 1, of: name)[0] ?? .none)
            {
                guard let part = element.string else {
                    throw failure(
                        "sequence item \(parts.count): expected str instance, \(typeName(element)) found")
                }
                parts.append(part)
            }
            return .string(try joined(parts, text))
        default: return try place(name, text, arguments)
        }
    }

    private func ends(_ name: String, _ text: MarkedText, _ arguments: Arguments) throws(Failure) -> Bool {
        let bound = try bind(arguments, to: "part", "start", "end", required: 1, of: name)
        var parts: [Value] = [bound[0] ?? .none]
        if case .list(let list) = parts[0], list.kind.isTuple { parts = list.elements }
        let window = try window(text, bound)
        for part in parts {
            let part = try string(part, "what \(name) looks for")
            try charge(part.bytes.count / 8)
            guard let window else { continue }
            let inner = text[window]
            if name == "startswith" ? inner.hasPrefix(part) : inner.hasSuffix(part) { return true }
        }
        return false
    }

    /// The bytes from the second argument to the third, which count characters; nil where there is nothing, not even
    /// room for an empty string.
    private func window(_ text: MarkedText, _ bound: Bound) throws(Failure) -> Range<Int>? {
        let first = try integerOrNone(bound[1], "a start")
        let last = try integerOrNone(bound[2], "an end")
        guard first != nil || last != nil else { return 0..<text.bytes.count }
        let count = text.length
        let start = first.map { $0 < 0 ? max($0 &+ count, 0) : $0 } ?? 0
        let end = last.map { $0 < 0 ? max($0 &+ count, 0) : min($0, count) } ?? count
        guard start <= end else { return nil }
        func offset(_ number: Int) -> Int { text.offset(ofCharacter: number) ?? text.bytes.count }
        return offset(start)..<offset(end)
    }

    private func place(_ name: String, _ text: MarkedText, _ arguments: Arguments) throws(Failure) -> Value {
        let bound = try bind(arguments, to: "part", "start", "end", required: 1, of: name)
        let part = try string(bound[0], "what \(name) looks for")
        try charge(text.bytes.count)
        let window = try window(text, bound)
        let inner = window.map { text[$0] }
        if name == "count" { return .int(inner?.offsets(of: part).count ?? 0) }
        let isLast = name.hasPrefix("r")
        let found = inner.flatMap {
            isLast ? $0.lastOffset(of: part, before: $0.bytes.count) : $0.firstOffset(of: part)
        }
        guard let found, let window else {
            if name.hasSuffix("find") { return .int(-1) }
            throw failure("substring not found")
        }
        return .int(text[0..<(window.lowerBound + found)].length)
    }

    private func split(_ name: String, _ text: MarkedText, _ arguments: Arguments) throws(Failure) -> Value {
        let bound = try bind(arguments, to: "sep", "maxsplit", of: name)
        let count = try integer(bound[1], "maxsplit") ?? -1
        let limit = count < 0 ? Int.max : count
        try charge(text.bytes.count)
        let parts: [MarkedText]
        switch bound[0] {
        case nil, Value.none?:
            parts = name == "split" ? text.words(limit: limit) : text.wordsFromRight(limit: limit)
        case let separator:
            let separator = try string(separator, "a separator")
            guard !separator.isEmpty else { throw failure("empty separator") }
            parts =
                name == "split"
                ? text.split(separator, limit: limit) : text.splitFromRight(separator, limit: limit)
        }
        return try list(parts.map(Value.string))
    }

    private func partition(_ name: String, _ text: MarkedText, _ arguments: Arguments) throws(Failure)
        -> Value
    {
        let separator = try string(try bind(arguments, to: "sep", required: 1, of: name)[0], "a separator")
        guard !separator.isEmpty else { throw failure("empty separator") }
        let isLast = name == "rpartition"
        let end = text.bytes.count
        guard
            let place = isLast ? text.lastOffset(of: separator, before: end) : text.firstOffset(of: separator)
        else {
            let parts = isLast ? [MarkedText(), MarkedText(), text] : [text, MarkedText(), MarkedText()]
            return try list(parts.map(Value.string), .tuple)
        }
        let behind = place + separator.bytes.count
        return try list([text[0..<place], separator, text[behind..<end]].map(Value.string), .tuple)
    }

    // MARK: Filling

    private func shape(_ name: String, _ text: MarkedText, _ arguments: Arguments) throws(Failure)
        -> MarkedText
    {
        switch name {
        case "format": return try braceFormat(text, arguments)
        case "format_map":
            let values = try bind(arguments, to: "mapping", required: 1, of: name)[0] ?? .none
            guard case .dict(let dict) = values else { throw failure("format_map() needs a mapping") }
            var named = Arguments()
            for entry in dict.entries {
                if let key = entry.key.string { named.keywords.append((key.text, entry.value)) }
            }
            return try braceFormat(text, named)
        case "expandtabs":
            return try expandTabs(
                text, try integer(try bind(arguments, to: "tabsize", of: name)[0], "a width") ?? 8)
        case "zfill":
            let width =
                try integer(try bind(arguments, to: "width", required: 1, of: name)[0], "a width") ?? 0
            let hasSign = text.bytes.first == UInt8(ascii: "-") || text.bytes.first == UInt8(ascii: "+")
            let sign = text[0..<(hasSign ? 1 : 0)]
            let (digits, _) = width.subtractingReportingOverflow(hasSign ? 1 : 0)
            return sign
                + (try padded(text[sign.bytes.count..<text.bytes.count], left: digits, fill: MarkedText("0")))
        default: break
        }
        let bound = try bind(arguments, to: "width", "fillchar", required: 1, of: name)
        let width = try integer(bound[0], "a width") ?? 0
        let fill =
            try bound[1].map { (value) throws(Failure) in try string(value, "a fill") } ?? MarkedText(" ")
        guard fill.length == 1 else { throw failure("The fill character must be exactly one character long") }
        switch name {
        case "center": return try centered(text, width: width, fill: fill)
        case "rjust": return try padded(text, left: width, fill: fill)
        default: return text + (try filling(width, text, fill))
        }
    }

    /// `str.center`: an odd place goes to the left where the width is odd, too.
    func centered(_ text: MarkedText, width: Int, fill: MarkedText) throws(Failure) -> MarkedText {
        let room = max(width, text.length) - text.length
        let left = room / 2 + (room & width & 1)
        return try copies(fill, left) + text + copies(fill, room - left)
    }

    private func padded(_ text: MarkedText, left width: Int, fill: MarkedText) throws(Failure) -> MarkedText {
        try filling(width, text, fill) + text
    }

    private func filling(_ width: Int, _ text: MarkedText, _ fill: MarkedText) throws(Failure) -> MarkedText {
        let length = text.length
        return try copies(fill, max(width, length) - length)
    }

    func copies(_ text: MarkedText, _ count: Int) throws(Failure) -> MarkedText {
        try charge(text.bytes.count, times: count)
        var result = MarkedText()
        for _ in 0..<max(count, 0) { result.append(text) }
        return result
    }

    private func expandTabs(_ text: MarkedText, _ size: Int) throws(Failure) -> MarkedText {
        try charge(max(size, 0), times: text.bytes.count { $0 == 9 })
        var column = 0
        return text.mapCharacters { index, scalars in
            switch scalars[index] {
            case "\t":
                let width = size > 0 ? size - column % size : 0
                column += width
                return String(repeating: " ", count: width)
            case "\n", "\r": column = 0
            default: column += 1
            }
            return String(scalars[index])
        }
    }
}
