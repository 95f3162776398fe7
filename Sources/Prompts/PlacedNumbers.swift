import Storage

/// Numbers that an answer gives for a place, as it writes them: 2 for a point, 4 for a box, 8 for a quadrangle.
struct PlacedNumbers {
    let label: String?
    let numbers: [Double]

    /// All of an answer, in order. The work is linear in its length.
    static func find(in answer: String) -> [PlacedNumbers] {
        let text = Array(answer.utf8)
        let tagged = findTagged(text)
        return tagged.isEmpty ? findObjects(text) : tagged
    }

    // MARK: Tags

    private static let names = [("<ref>", "</ref>"), ("<|object_ref_start|>", "<|object_ref_end|>")].map(
        bytes)
    private static let places = [
        ("<box>", "</box>"), ("<|box_start|>", "<|box_end|>"), ("<quad>", "</quad>"),
        ("<|quad_start|>", "<|quad_end|>"),
    ].map(bytes)
    /// More bytes than eight numbers need.
    private static let longestPlace = 256

    private static func bytes(_ tags: (String, String)) -> (start: [UInt8], end: [UInt8]) {
        (Array(tags.0.utf8), Array(tags.1.utf8))
    }

    private static func findTagged(_ text: [UInt8]) -> [PlacedNumbers] {
        var found: [PlacedNumbers] = []
        var label: String?
        var index = 0
        while let start = text[index...].firstIndex(of: UInt8(ascii: "<")) {
            index = start + 1
            let rest = text[start...]
            if let tag = names.first(where: { rest.starts(with: $0.start) }) {
                let inner = rest.dropFirst(tag.start.count)
                // A name ends at the next tag, so that every byte is looked at once.
                let end = inner.firstIndex(of: UInt8(ascii: "<")) ?? inner.endIndex
                label = String(decoding: inner[..<end], as: UTF8.self)
                index = end
            } else if let tag = places.first(where: { rest.starts(with: $0.start) }) {
                let inner = rest.dropFirst(tag.start.count).prefix(longestPlace)
                let end = inner.firstIndex(of: UInt8(ascii: "<")) ?? inner.endIndex
                let numbers = numbers(inner[..<end])
                if [2, 4, 8].contains(numbers.count) {
                    found.append(PlacedNumbers(label: label, numbers: numbers))
                }
                index = end
            }
        }
        return found
    }

    /// The decimal numbers in a text, whatever stands between them.
    private static func numbers(_ text: ArraySlice<UInt8>) -> [Double] {
        let isPart = { (byte: UInt8) in
            (48...57).contains(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-")
        }
        return text.split { !isPart($0) }.compactMap { Double(String(decoding: $0, as: UTF8.self)) }
    }

    // MARK: JSON

    private static func findObjects(_ text: [UInt8]) -> [PlacedNumbers] {
        var found: [PlacedNumbers] = []
        var start: Int?
        var (isString, isEscaped) = (false, false)
        for (index, byte) in text.enumerated() {
            if isEscaped {
                isEscaped = false
                continue
            }
            switch byte {
            case UInt8(ascii: "\\") where isString: isEscaped = true
            case UInt8(ascii: "\""): isString.toggle()
            // A string of JSON ends on its line; a quotation mark in prose is forgotten there.
            case UInt8(ascii: "\n"): isString = false
            case UInt8(ascii: "{") where !isString: start = index
            case UInt8(ascii: "}") where !isString:
                if let first = start, let placed = object(Array(text[first...index])) { found.append(placed) }
                start = nil
            default: break
            }
        }
        return found
    }

    private static func object(_ text: [UInt8]) -> PlacedNumbers? {
        guard let json = try? JSON(parsing: text) else { return nil }
        for (key, count) in [("bbox_2d", 4), ("quad_2d", 8), ("point_2d", 2)] {
            guard let numbers = json[key]?.array?.compactMap(\.double), numbers.count == count else {
                continue
            }
            return PlacedNumbers(label: json["label"]?.string, numbers: numbers)
        }
        return nil
    }
}
