/// What stands outside of JSON: pairs in prose, calls, and tags.
extension PlaceScanner {
    // MARK: Parentheses

    /// Pairs in prose are corners, and what stands behind a name or in a bracket is a call or a list; any other parenthesis
    /// is prose.
    mutating func readParenthesis() {
        let isBehindName = index > 0 && Self.isWord(text[index - 1])
        if stack.count == 1, let run = PlacedNumbers.pairs(text[index...].prefix(PlacedNumbers.longestText)) {
            let name = stack[inner].key.flatMap { PlaceName($0) }
            if name != nil || run.numbers.count > 2 || !isBehindName {
                takePairs(run.numbers, name, end: run.end)
                return
            }
        }
        if isBehindName || stack.count > 1 || stack[inner].key != nil {
            open(UInt8(ascii: ")"))
        } else {
            step(isFresh: false)
        }
    }

    private mutating func takePairs(_ numbers: [Double], _ name: PlaceName?, end: Int) {
        let start = index
        index = end
        (last, isFresh, stack[inner].key) = (nil, false, nil)
        if (name ?? .box).isPlace(of: numbers.count) {
            add(numbers, isNamed: name != nil)
        } else {
            skip(at: start)
        }
    }

    // MARK: Tags

    private static let references = ["<ref>", "<|object_ref_start|>"].map { Array($0.utf8) }
    private static let places = ["<box>", "<|box_start|>", "<quad>", "<|quad_start|>"].map { Array($0.utf8) }

    mutating func readTag() {
        let rest = text[index...]
        let start = index
        if let tag = Self.references.first(where: { rest.starts(with: $0) }) {
            // A name ends at the next tag, so that every byte is looked at once.
            let name = rest.dropFirst(tag.count).prefix { $0 != UInt8(ascii: "<") }
            reference = String(decoding: name, as: UTF8.self)
            index = name.endIndex
        } else if let tag = Self.places.first(where: { rest.starts(with: $0) }) {
            readTagged(rest.dropFirst(tag.count), .any, label: reference)
        } else if let tag = PlaceTag(text, at: index) {
            index = tag.end
            if let kind = PlaceName(tag.name) { take(tag, kind, start) }
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
            } else if !text.hasPrefix("/"), let kind = PlaceName(text) {
                readTagged(rest.dropFirst(2 + name.count), kind, label: nil)
            }
        }
        last = nil
    }

    /// Takes the coordinates that a tag has as attributes; what it holds is what they are called.
    private mutating func take(_ tag: PlaceTag, _ kind: PlaceName, _ start: Int) {
        guard tag.isWhole, let points = tag.points else {
            if tag.isPlaced { skip(at: start) }
            return
        }
        let content = text[index...].prefix { $0 != UInt8(ascii: "<") && $0 != UInt8(ascii: "\n") }
        index = content.endIndex
        let label = tag.label ?? Self.trimmed(content)
        let numbers = kind == .point ? points : [points.flatMap { $0 }]
        for place in numbers {
            if kind.isPlace(of: place.count) { add(place, label: label) } else { skip(at: start) }
        }
    }

    /// A text without the spaces around it; nil where nothing is left.
    private static func trimmed(_ content: ArraySlice<UInt8>) -> String? {
        let isSpace = { (byte: UInt8) in byte <= UInt8(ascii: " ") }
        guard let last = content.lastIndex(where: { !isSpace($0) }) else { return nil }
        return String(decoding: content[...last].drop(while: isSpace), as: UTF8.self)
    }

    /// Takes the numbers up to the next tag.
    private mutating func readTagged(_ rest: ArraySlice<UInt8>, _ kind: PlaceName, label: String?) {
        let content = rest.prefix(PlacedNumbers.longestText).prefix { $0 != UInt8(ascii: "<") }
        let start = index
        index = content.endIndex
        let numbers = PlacedNumbers.numbers(content)
        if kind.isPlace(of: numbers.count) {
            add(numbers, label: label)
        } else if kind == .any || !numbers.isEmpty {
            skip(at: start)
        }
    }
}
