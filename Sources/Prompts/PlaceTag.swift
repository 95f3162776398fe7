/// A tag with attributes, such as `<points x1="1" y1="2" x2="3" y2="4" alt="…">`.
struct PlaceTag {
    /// What stands before the attributes.
    let name: String
    /// Behind its end; where it has none, where the next tag begins.
    private(set) var end: Int
    /// Whether it has an end.
    private(set) var isWhole = false
    /// What it says of its content.
    private(set) var label: String?
    /// What is behind the `x` and `y` of coordinates, in the order of the tag.
    private var suffixes: [String] = []
    private var coordinates: [String: Double] = [:]

    /// The tag that begins at a `<`; nil where none with attributes does. It ends before the next `<`, so that every byte is
    /// looked at once.
    init?(_ text: [UInt8], at start: Int) {
        let name = text[(start + 1)...].prefix(40).prefix { $0 > 32 && !"<>=/".utf8.contains($0) }
        guard !name.isEmpty, text[name.endIndex...].first == UInt8(ascii: " ") else { return nil }
        self.name = String(decoding: name, as: UTF8.self)
        end = name.endIndex
        guard PlaceName(self.name) != nil else { return }
        var rest = text[end...]
        while let byte = rest.first, byte != UInt8(ascii: "<"), !isWhole {
            isWhole = byte == UInt8(ascii: ">")
            let key = rest.prefix { $0 > 32 && !"<>=/".utf8.contains($0) }
            rest = rest[key.endIndex...]
            if !key.isEmpty, rest.first == UInt8(ascii: "=") {
                take(key, PlaceTag.value(&rest))
            } else if key.isEmpty {
                rest = rest.dropFirst()
            }
        }
        end = rest.startIndex
    }

    /// Its points; nil where it has none, or a coordinate lacks its other.
    var points: [[Double]]? {
        let pairs = suffixes.map { suffix in
            ["x", "y"].compactMap { coordinates[$0 + suffix] }
        }
        return !pairs.isEmpty && pairs.allSatisfy { $0.count == 2 } ? pairs : nil
    }

    /// Whether it has coordinates at all.
    var isPlaced: Bool { !suffixes.isEmpty }

    /// Takes what is behind an equals sign.
    private static func value(_ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        rest = rest.dropFirst()
        guard let quote = rest.first, "\"'".utf8.contains(quote) else {
            let value = rest.prefix { $0 > 32 && !"<>/".utf8.contains($0) }
            rest = rest[value.endIndex...]
            return value
        }
        let value = rest.dropFirst().prefix { $0 != quote && $0 != UInt8(ascii: "<") }
        rest = rest[value.endIndex...]
        if rest.first == quote { rest = rest.dropFirst() }
        return value
    }

    private mutating func take(_ key: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) {
        let name = String(decoding: key, as: UTF8.self).lowercased()
        let text = String(decoding: value, as: UTF8.self)
        if name == "alt" || (name == "label" && label == nil) { label = text }
        let suffix = String(name.dropFirst())
        guard name.hasPrefix("x") || name.hasPrefix("y"), suffix.allSatisfy({ $0.isNumber }) else { return }
        if coordinates["x" + suffix] == nil, coordinates["y" + suffix] == nil { suffixes.append(suffix) }
        coordinates[name] = Double(text)
    }

    /// An answer without what the model thought before it, where places are only drafted. A prompt may have opened the
    /// thought; one without an end leaves no answer.
    static func withoutThoughts(_ text: [UInt8]) -> [UInt8] {
        let (opening, ending) = (Array("<think>".utf8), Array("</think>".utf8))
        var answer: [UInt8] = []
        var (isThought, isFirst) = (false, true)
        var rest = text[...]
        while let byte = rest.first {
            let isEnd = byte == UInt8(ascii: "<") && rest.starts(with: ending)
            if isEnd, isThought || isFirst {
                if isFirst { answer = [] }
                (isThought, isFirst) = (false, false)
                rest = rest.dropFirst(ending.count)
            } else if byte == UInt8(ascii: "<"), !isThought, rest.starts(with: opening) {
                (isThought, isFirst) = (true, false)
                rest = rest.dropFirst(opening.count)
            } else {
                if !isThought { answer.append(byte) }
                rest = rest.dropFirst()
            }
        }
        return answer
    }
}
