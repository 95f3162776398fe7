/// Numbers that an answer gives for a place, as it writes them: 2 for a point, 4 for a box, 8 for a quadrangle.
struct PlacedNumbers: Equatable {
    var label: String?
    let numbers: [Double]
    /// Whether a tag or a name says that they are a place; those without one count where nothing else is found.
    var isNamed = true

    /// The most bytes of a text in which the numbers of one place are looked for.
    static let longestText = 256

    /// Whether they are shares of the picture's sides, which no model here writes when it counts in pixels or thousandths.
    var isFractional: Bool {
        numbers.allSatisfy { (0...1).contains($0) } && numbers.contains { $0 != $0.rounded() }
    }

    /// The numbers, for people.
    var excerpt: String {
        numbers.map { Int(exactly: $0).map(String.init) ?? "\($0)" }.joined(separator: ", ")
    }

    private static func isPart(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-")
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (65...90).contains(byte) || (97...122).contains(byte) || byte == UInt8(ascii: "_")
    }

    /// The decimal numbers in a text, whatever stands between them. Digits in a name (`x1`) are none, but those behind a
    /// number's unit are (`10x20`).
    static func numbers(_ text: ArraySlice<UInt8>) -> [Double] {
        var numbers: [Double] = []
        var rest = text
        while let byte = rest.first {
            if isPart(byte) {
                let number = rest.prefix(while: isPart)
                if let value = Double(String(decoding: number, as: UTF8.self)) { numbers.append(value) }
                rest = rest[number.endIndex...].drop(while: isLetter)
            } else if isLetter(byte) {
                rest = rest.drop { isLetter($0) || (48...57).contains($0) }
            } else {
                rest = rest.dropFirst()
            }
        }
        return numbers
    }

    /// The numbers of the pairs `(x, y)` that a text begins with, one behind the other, and where they end; nil for none.
    static func pairs(_ text: ArraySlice<UInt8>) -> (numbers: [Double], end: Int)? {
        let space = UInt8(ascii: " ")
        var numbers: [Double] = []
        var end = text.startIndex
        var rest = text
        while rest.first == UInt8(ascii: "("), let close = rest.firstIndex(of: UInt8(ascii: ")")) {
            let parts = rest[(rest.startIndex + 1)..<close].split(
                separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
            let pair = parts.compactMap { part -> Double? in
                let digits = part.split(separator: space)
                guard digits.count == 1, digits[0].allSatisfy(isPart) else { return nil }
                return Double(String(decoding: digits[0], as: UTF8.self))
            }
            guard parts.count == 2, pair.count == 2 else { break }
            numbers += pair
            end = close + 1
            rest = rest[end...].drop { $0 == space || $0 == UInt8(ascii: ",") }
        }
        return numbers.isEmpty ? nil : (numbers, end)
    }
}

/// A list of numbers, or a list of lists of numbers; one text among them says what they are.
struct NumberList {
    private(set) var numbers: [Double] = []
    /// The numbers in each list within; nil where they differ.
    private(set) var width: Int?
    private(set) var lists = 0
    /// The text among them.
    private(set) var label: String?
    /// Whether anything else is among them.
    private(set) var isMixed = false

    /// A list of numbers.
    init(_ numbers: [Double] = []) { self.numbers = numbers }

    /// Adds a number.
    mutating func append(_ number: Double) {
        if lists > 0 { isMixed = true }
        numbers.append(number)
    }

    /// Adds a text; a second one is too many.
    mutating func append(_ text: String) {
        if label == nil { label = text } else { isMixed = true }
    }

    /// Adds a list of numbers as a member, which can hold none itself.
    mutating func append(_ list: NumberList) {
        guard !list.isMixed, list.label == nil, list.lists == 0, !list.numbers.isEmpty,
            lists > 0 || numbers.isEmpty
        else {
            isMixed = true
            return
        }
        width = lists == 0 || width == list.numbers.count ? list.numbers.count : nil
        lists += 1
        numbers += list.numbers
    }

    /// Notes that something else is among them.
    mutating func mix() { isMixed = true }

    /// The places that it stands for under a name; nil when it makes no sense there. Where the answer ends within it, what
    /// it holds so far may be a part of a place, but for lists that are a place each.
    func places(_ name: PlaceName, isWhole: Bool = true) -> [[Double]]? {
        guard !isMixed, !numbers.isEmpty else { return nil }
        if lists == 0 { return isWhole && name.isPlace(of: numbers.count) ? [numbers] : nil }
        guard let width else { return nil }
        // Pairs are corners of one place, but for points.
        if width == 2, name != .point { return isWhole && name.isPlace(of: numbers.count) ? [numbers] : nil }
        return name.isPlace(of: width) ? split(width) : nil
    }

    private func split(_ width: Int) -> [[Double]] {
        stride(from: 0, to: numbers.count, by: width).map { Array(numbers[$0..<($0 + width)]) }
    }
}
