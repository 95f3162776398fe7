import Storage

/// Finds the places that an answer names, in one pass: tags around numbers, and whatever resembles JSON. Models do not
/// write JSON as the standard has it, and often not to the end, so that nothing is expected but brackets, names and numbers.
struct PlaceScanner {
    /// In the order of the answer.
    private(set) var found: [PlacedNumbers] = []
    /// What looked like a place and is none: how often, and the first.
    private(set) var skipped: (count: Int, first: String)?

    let text: [UInt8]
    var index = 0
    var stack: [PlaceFrame] = []
    /// The last name or text that may turn out to be a member's name.
    var last: String?
    /// Whether a string may begin here: at the start of a name or a value.
    var isFresh = false
    /// What `<ref>` named last.
    var reference: String?
    /// Lists under names of any kind that are no box: they count as skipped where nothing is found.
    private var doubtful: (count: Int, first: String)?
    /// How often text within text is followed.
    private let nesting: Int

    /// More brackets than any answer opens for a reason.
    private static let deepest = 64

    /// Looks through an answer. The work is linear in its length.
    init(_ answer: String) { self.init(PlaceTag.withoutThoughts(Array(answer.utf8)), nesting: 0) }

    private init(_ text: [UInt8], nesting: Int) {
        self.text = text
        self.nesting = nesting
        reset()
        scan()
    }

    private mutating func reset() {
        stack = [PlaceFrame(closing: nil, start: 0)]
        (last, isFresh) = (nil, false)
    }

    /// The number of the innermost bracket; it is changed in its place, since it may hold much.
    var inner: Int { stack.count - 1 }

    private mutating func scan() {
        while index < text.count {
            let byte = text[index]
            switch byte {
            case UInt8(ascii: "<"): readTag()
            case UInt8(ascii: "{"): open(UInt8(ascii: "}"))
            case UInt8(ascii: "["): open(UInt8(ascii: "]"))
            case UInt8(ascii: "("): readParenthesis()
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
        weigh()
    }

    /// What no name or tag calls a place counts where nothing else is found.
    private mutating func weigh() {
        if found.contains(where: \.isNamed) {
            let bare = found.filter { !$0.isNamed }
            if let first = bare.first { skip(first.excerpt, bare.count) }
            found.removeAll { !$0.isNamed }
        } else if found.isEmpty, let doubtful {
            skip(doubtful.first, doubtful.count)
        }
    }

    mutating func step(isFresh: Bool) {
        (last, self.isFresh) = (nil, isFresh)
        index += 1
    }

    // MARK: Words and strings

    static func isWord(_ byte: UInt8) -> Bool {
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
            let isMember = stack[inner].closing != UInt8(ascii: "}")
            if isMember, content.count <= 32, let number = Double(string) {
                take(number: number)
            } else if isMember {
                stack[inner].list.append(string)
            } else {
                stack[inner].list.mix()
            }
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
        } else if string.utf8.count <= PlacedNumbers.longestText,
            string.utf8.allSatisfy({ "0123456789.-,()[] ".utf8.contains($0) })
        {
            // A list of four within a text.
            let numbers = PlacedNumbers.numbers(Array(string.utf8)[...])
            if numbers.count == 4 { add(numbers, label: nil, in: key, isNamed: false) }
        }
        stack[inner].take(key, string)
        // Arguments of tool calls are often JSON in a string.
        if nesting < 2, key == "arguments" || key == "parameters" {
            let within = PlaceScanner(Array(string.utf8), nesting: nesting + 1)
            for place in within.found { add(place.numbers, label: place.label, isNamed: place.isNamed) }
            if let skipped = within.skipped { skip(skipped.first, skipped.count) }
        }
    }

    /// Notes a place. What has no label of its own takes that of a bracket around it.
    mutating func add(_ numbers: [Double], label: String? = nil, isNamed: Bool = true) {
        let place = PlacedNumbers(label: label, numbers: numbers, isNamed: isNamed)
        guard !place.isFractional else {
            skip(place.excerpt)
            return
        }
        if label == nil { stack[inner].unlabelled.append(found.count) }
        found.append(place)
    }

    mutating func skip(at start: Int) { skip(excerpt(at: start)) }

    private func excerpt(at start: Int) -> String {
        String(decoding: text[start..<min(start + 60, index, text.count)], as: UTF8.self)
    }

    private mutating func skip(_ excerpt: String, _ count: Int = 1) {
        skipped = (count + (skipped?.count ?? 0), skipped?.first ?? String(excerpt.prefix(60)))
    }

    // MARK: Brackets

    mutating func open(_ closing: UInt8) {
        if stack.count >= Self.deepest {
            finish()
            reset()
        }
        var place = stack[inner].place
        if let key = stack[inner].key { place = PlaceName(key) ?? (PlaceFrame.isCorner(key) ? .point : nil) }
        let gesture = closing == UInt8(ascii: ")") ? last.flatMap(Gesture.init) : nil
        stack.append(PlaceFrame(closing: closing, start: index, place: place, gesture: gesture))
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
        // In prose, what is before a colon is no name.
        label(frame, stack.count > 1 ? key.flatMap(PlaceFrame.label) : nil)
        var list = frame.list
        if isWhole, let coordinates = frame.coordinates {
            // An object of coordinates is a place, unless it is a part of one that is named.
            guard frame.isPlace, frame.name == nil else {
                let points = frame.gesture?.points(coordinates) ?? [coordinates]
                for point in points { add(point, label: frame.name, in: key) }
                if key == nil { stack[inner].list.mix() }
                return
            }
            list = NumberList(coordinates)
        } else if frame.coordinates != nil || frame.isPartial {
            skip(at: frame.start)
        }
        if let key, isWhole, list.numbers.count == 2, !list.isMixed, PlaceFrame.isCorner(key) {
            stack[inner].take(corner: key, list.numbers)
        } else if isWhole, let points = frame.gesture?.points(list) {
            for point in points { add(point, label: list.label, isNamed: false) }
        } else if let key, let name = PlaceName(key) {
            take(list, as: name, frame, isWhole)
        } else if frame.closing == UInt8(ascii: "]"), key != nil || stack.count == 1 || list.label != nil {
            takeBare(list, frame, key, isWhole)
        } else if isWhole, frame.closing != UInt8(ascii: "}") || frame.isPlace {
            if key == nil { stack[inner].list.append(list) }
        } else if isWhole {
            if key == nil { stack[inner].list.mix() }
        } else if frame.isPlace || frame.closing == UInt8(ascii: "]"), !list.isMixed, !list.numbers.isEmpty {
            // Cut short within a list, whose whole members stand.
            skip(at: frame.start)
        }
    }

    /// Takes what a member named as a place holds.
    private mutating func take(_ list: NumberList, as name: PlaceName, _ frame: PlaceFrame, _ isWhole: Bool) {
        if let places = list.places(name, isWhole: isWhole) {
            for place in places { add(place, label: list.label) }
        } else if !list.numbers.isEmpty {
            skip(at: frame.start)
        }
    }

    /// Takes a list that no name calls a place: four numbers are a box, and so are two pairs.
    private mutating func takeBare(_ list: NumberList, _ frame: PlaceFrame, _ key: String?, _ isWhole: Bool) {
        // Within a member named as a place it is one of those: `{"keypoints": {"nose": [1, 2]}}`.
        let kind = stack[inner].place
        if let places = list.places(kind ?? .box, isWhole: isWhole) {
            for place in places { add(place, label: list.label, in: key, isNamed: kind != nil) }
        } else if !list.isMixed, list.numbers.count > (list.label == nil ? 1 : 3) {
            if key == nil || kind != nil {
                skip(at: frame.start)
            } else {
                doubtful = (1 + (doubtful?.count ?? 0), doubtful?.first ?? excerpt(at: frame.start))
            }
        }
        if key == nil { stack[inner].list.mix() }
    }

    /// Notes a place in a member, whose name may be what it is called.
    private mutating func add(_ numbers: [Double], label: String?, in key: String?, isNamed: Bool = true) {
        let count = found.count
        add(numbers, label: label, isNamed: isNamed)
        if label == nil, stack.count > 1, found.count > count, let key {
            found[count].label = PlaceFrame.label(key: key)
        }
    }

    /// Calls the places in a bracket what it says, or what its own name says; the latter may be said better around it.
    private mutating func label(_ frame: PlaceFrame, _ hint: String?) {
        guard let first = frame.unlabelled.first else { return }
        if let name = frame.name {
            // Names that tell its members apart stay.
            let isOne = frame.unlabelled.allSatisfy { found[$0].label == found[first].label }
            for place in frame.unlabelled where isOne || found[place].label == nil {
                found[place].label = name
            }
            return
        }
        if let hint {
            for place in frame.unlabelled where found[place].label == nil { found[place].label = hint }
        }
        if stack[inner].unlabelled.isEmpty {
            stack[inner].unlabelled = frame.unlabelled
        } else {
            stack[inner].unlabelled += frame.unlabelled
        }
    }
}
