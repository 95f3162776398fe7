import Storage

/// Finds the places that an answer names, in one pass: tags around numbers, and whatever resembles JSON. Models do not
/// write JSON as the standard has it, and often not to the end, so that nothing is expected but brackets, names and numbers.
struct PlaceScanner {
    /// In the order of the answer.
    private(set) var found: [PlacedNumbers] = []
    /// What looked like a place and is none: how often, and the first.
    private(set) var skipped: (count: Int, first: String)?

    private let text: [UInt8]
    private var index = 0
    private var stack: [PlaceFrame] = []
    /// The last name or text that may turn out to be a member's name.
    private var last: String?
    /// Whether a string may begin here: at the start of a name or a value.
    private var isFresh = false
    /// What `<ref>` named last.
    private var reference: String?
    /// Lists of four without a name, which count where nothing else is found.
    private var bare: [PlacedNumbers] = []
    /// How often text within text is followed.
    private let nesting: Int

    /// More brackets than any answer opens for a reason.
    private static let deepest = 64

    /// Looks through an answer. The work is linear in its length.
    init(_ answer: String) { self.init(Array(answer.utf8), nesting: 0) }

    private init(_ text: [UInt8], nesting: Int) {
        self.text = text
        self.nesting = nesting
        reset()
        scan()
    }

    private mutating func reset() {
        stack = [PlaceFrame(closing: nil, start: 0, isPlace: false)]
        (last, isFresh) = (nil, false)
    }

    /// The number of the innermost bracket; it is changed in its place, since it may hold much.
    private var inner: Int { stack.count - 1 }

    private mutating func scan() {
        while index < text.count {
            let byte = text[index]
            switch byte {
            case UInt8(ascii: "<"): readTag()
            case UInt8(ascii: "{"): open(UInt8(ascii: "}"))
            case UInt8(ascii: "["): open(UInt8(ascii: "]"))
            // In prose a parenthesis is one; behind a name it begins a call.
            case UInt8(ascii: "(") where isCall: open(UInt8(ascii: ")"))
            case UInt8(ascii: "}"), UInt8(ascii: "]"), UInt8(ascii: ")"): close(byte)
            case UInt8(ascii: ":"), UInt8(ascii: "="):
                if let last { stack[inner].key = last }
                step(isFresh: true)
            case UInt8(ascii: ","):
                stack[inner].key = nil
                step(isFresh: true)
            case UInt8(ascii: "\""), UInt8(ascii: "'"):
                if isFresh, stack.count > 1 || stack[inner].key != nil {
                    readString(byte)
                } else {
                    index += 1
                }
            case UInt8(ascii: "`") where text[index...].starts(with: "```".utf8):
                // What was opened in prose before a block of code is no part of it.
                finish()
                reset()
                index += 3
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): index += 1
            case UInt8(ascii: "\n"):
                if stack.count == 1 { (stack[inner].key, last) = (nil, nil) }
                index += 1
            default: readWord()
            }
        }
        finish()
        if found.isEmpty { found = bare } else if !bare.isEmpty { skip(at: nil, count: bare.count) }
    }

    private var isCall: Bool {
        stack.count > 1 || stack[inner].key != nil || (index > 0 && Self.isWord(text[index - 1]))
    }

    private mutating func step(isFresh: Bool) {
        (last, self.isFresh) = (nil, isFresh)
        index += 1
    }

    // MARK: Words and strings

    private static func isWord(_ byte: UInt8) -> Bool {
        byte >= 128 || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
            || byte == UInt8(ascii: "+") || (48...57).contains(byte) || (65...90).contains(byte)
            || (97...122).contains(byte)
    }

    private mutating func readWord() {
        let word = text[index...].prefix { Self.isWord($0) }
        guard !word.isEmpty else {
            step(isFresh: false)
            return
        }
        index = word.endIndex
        isFresh = false
        let string = String(decoding: word.prefix(PlacedNumbers.longestText), as: UTF8.self)
        if (48...57).contains(word.first ?? 0) || word.first == UInt8(ascii: "-")
            || word.first == UInt8(ascii: "."),
            let number = Double(string)
        {
            last = nil
            take(number: number)
        } else {
            if let key = stack[inner].key {
                stack[inner].take(key, string)
            } else {
                stack[inner].list.mix()
            }
            last = string
        }
    }

    /// A string ends at its quotation mark; an apostrophe is one where no value can end. One without an end goes to the end
    /// of its line.
    private mutating func readString(_ quote: UInt8) {
        var end = index + 1
        var isEscaped = false
        while end < text.count, text[end] != UInt8(ascii: "\n") {
            if isEscaped {
                isEscaped = false
            } else if text[end] == UInt8(ascii: "\\") {
                isEscaped = true
            } else if text[end] == quote, quote == UInt8(ascii: "\"") || endsValue(end + 1) {
                break
            }
            end += 1
        }
        let content = text[(index + 1)..<end]
        index = min(end + 1, text.count)
        isFresh = false
        let string = Self.unescaped(content)
        if let key = stack[inner].key {
            take(string, named: key)
            stack[inner].key = nil
        } else {
            // The name of a member, or a member of a list that may be a number.
            let number = content.count <= 32 ? Double(string) : nil
            if let number { take(number: number) } else { stack[inner].list.mix() }
        }
        last = string
    }

    private func endsValue(_ index: Int) -> Bool {
        guard let next = text[index...].prefix(8).first(where: { $0 != UInt8(ascii: " ") }) else {
            return true
        }
        return ",:]})\n".utf8.contains(next)
    }

    private static func unescaped(_ content: ArraySlice<UInt8>) -> String {
        if content.contains(UInt8(ascii: "\\")),
            let json = try? JSON(parsing: [UInt8(ascii: "\"")] + content + [UInt8(ascii: "\"")]),
            let text = json.string
        {
            return text
        }
        return String(decoding: content, as: UTF8.self)
    }

    // MARK: Values

    private mutating func take(number: Double) {
        if let key = stack[inner].key {
            stack[inner].take(key, number)
        } else {
            stack[inner].list.append(number)
        }
    }

    private mutating func take(_ string: String, named key: String) {
        if let name = PlaceName(key) {
            let bytes = Array(string.utf8)
            let numbers = bytes.count <= PlacedNumbers.longestText ? PlacedNumbers.numbers(bytes[...]) : []
            if name.isPlace(of: numbers.count) || (name == .point && [4, 8].contains(numbers.count)) {
                add(numbers)
            } else if !numbers.isEmpty {
                skip(string)
            }
        } else if let number = string.utf8.count <= 32 ? Double(string) : nil {
            stack[inner].take(key, number)
        }
        stack[inner].take(key, string)
        // Arguments of tool calls are often JSON in a string.
        if nesting < 2, ["arguments", "parameters"].contains(key) {
            let within = PlaceScanner(Array(string.utf8), nesting: nesting + 1)
            for place in within.found { add(place.numbers, label: place.label) }
        }
    }

    private mutating func add(_ numbers: [Double], label: String? = nil) {
        if label == nil { stack[inner].unlabelled.append(found.count) }
        found.append(PlacedNumbers(label: label, numbers: numbers))
    }

    private mutating func skip(at start: Int?, count: Int = 1) {
        let excerpt = start.map {
            String(decoding: text[$0..<min($0 + 60, index, text.count)], as: UTF8.self)
        }
        skip(
            excerpt ?? bare.first.map { "\($0.numbers.map { Int(exactly: $0).map(String.init) ?? "\($0)" })" }
                ?? "", count)
    }

    private mutating func skip(_ excerpt: String, _ count: Int = 1) {
        skipped = (count + (skipped?.count ?? 0), skipped?.first ?? String(excerpt.prefix(60)))
    }

    // MARK: Brackets

    private mutating func open(_ closing: UInt8) {
        if stack.count >= Self.deepest {
            finish()
            reset()
        }
        let isPlace = stack[inner].key.map { PlaceName($0) != nil } ?? stack[inner].isPlace
        stack.append(PlaceFrame(closing: closing, start: index, isPlace: isPlace))
        step(isFresh: true)
    }

    /// Closes the bracket and those that were forgotten within it; one that was never opened is none.
    private mutating func close(_ byte: UInt8) {
        index += 1
        (last, isFresh) = (nil, false)
        guard stack.contains(where: { $0.closing == byte }) else { return }
        while stack.count > 1 {
            let frame = stack.removeLast()
            hand(frame, isWhole: frame.closing == byte)
            if frame.closing == byte { return }
        }
    }

    /// Leaves what is still open at the end, or before another beginning.
    private mutating func finish() {
        while stack.count > 1 { hand(stack.removeLast(), isWhole: false) }
    }

    /// Gives what a bracket held to the one around it.
    private mutating func hand(_ frame: PlaceFrame, isWhole: Bool) {
        let key = stack[inner].key
        stack[inner].key = nil
        label(frame)
        var list = frame.list
        if isWhole, let coordinates = frame.coordinates {
            // An object of coordinates is a place, unless it is a part of one that is named.
            if frame.isPlace, frame.name == nil {
                list = NumberList()
                for number in coordinates { list.append(number) }
            } else {
                add(coordinates, label: frame.name)
                if key == nil { stack[inner].list.mix() }
                return
            }
        }
        if let key, let name = PlaceName(key) {
            if let places = isWhole ? list.places(name) : nil {
                for place in places { add(place) }
            } else if !list.numbers.isEmpty {
                skip(at: frame.start)
            }
        } else if key == nil, stack.count == 1, frame.closing == UInt8(ascii: "]") {
            takeBare(list, frame, isWhole)
        } else if key == nil {
            if isWhole { stack[inner].list.append(list) } else { stack[inner].list.mix() }
            if !isWhole, frame.isPlace, !list.numbers.isEmpty { skip(at: frame.start) }
        }
    }

    /// Lists that stand alone in an answer: four numbers are a box, and so are two pairs.
    private mutating func takeBare(_ list: NumberList, _ frame: PlaceFrame, _ isWhole: Bool) {
        if isWhole, let places = list.places(.box) {
            bare += places.map { PlacedNumbers(label: nil, numbers: $0) }
        } else if !list.isMixed, list.numbers.count > 1 {
            skip(at: frame.start)
        }
    }

    /// Calls the places in a bracket what it says; what it does not is left to the one around it.
    private mutating func label(_ frame: PlaceFrame) {
        if let name = frame.name {
            for place in frame.unlabelled { found[place].label = name }
        } else if stack[inner].unlabelled.isEmpty {
            stack[inner].unlabelled = frame.unlabelled
        } else {
            stack[inner].unlabelled += frame.unlabelled
        }
    }

    // MARK: Tags

    private static let references = ["<ref>", "<|object_ref_start|>"].map { Array($0.utf8) }
    private static let places = ["<box>", "<|box_start|>", "<quad>", "<|quad_start|>"].map { Array($0.utf8) }

    private mutating func readTag() {
        let rest = text[index...]
        let start = index
        if let tag = Self.references.first(where: { rest.starts(with: $0) }) {
            // A name ends at the next tag, so that every byte is looked at once.
            let name = rest.dropFirst(tag.count).prefix { $0 != UInt8(ascii: "<") }
            reference = String(decoding: name, as: UTF8.self)
            index = name.endIndex
        } else if let tag = Self.places.first(where: { rest.starts(with: $0) }) {
            readTagged(rest.dropFirst(tag.count), .any, label: reference)
        } else {
            index += 1
            let name = rest.dropFirst().prefix(40).prefix {
                $0 != UInt8(ascii: ">") && $0 != UInt8(ascii: "<")
            }
            guard rest.dropFirst(1 + name.count).first == UInt8(ascii: ">") else { return }
            let text = String(decoding: name, as: UTF8.self)
            if text.hasPrefix("parameter=") {
                // A tool call whose arguments have tags.
                (stack[inner].key, isFresh) = (String(text.dropFirst(10)), true)
                index = start + 2 + name.count
            } else if let kind = PlaceName(text) {
                readTagged(rest.dropFirst(2 + name.count), kind, label: nil)
            }
        }
        last = nil
    }

    /// Takes the numbers up to the next tag.
    private mutating func readTagged(_ rest: ArraySlice<UInt8>, _ kind: PlaceName, label: String?) {
        let content = rest.prefix(PlacedNumbers.longestText).prefix { $0 != UInt8(ascii: "<") }
        let start = index
        index = content.endIndex
        let numbers = PlacedNumbers.numbers(content)
        if kind.isPlace(of: numbers.count) {
            found.append(PlacedNumbers(label: label, numbers: numbers))
        } else {
            skip(at: start)
        }
    }
}
