/// A string that remembers who gave each part of it.
///
/// What a person typed must never become a special token of a model, however a template cuts and joins it. So every
/// operation on strings keeps the marks of the characters that it takes over.
public struct MarkedText: Equatable, Sendable {
    /// A stretch of text of one origin.
    public struct Span: Equatable, Sendable {
        /// The characters.
        public let text: String
        /// Nil for the template's own words, otherwise the number that the giver of the text chose.
        public let origin: Int?

        /// A stretch from its parts.
        public init(_ text: String, origin: Int?) {
            self.text = text
            self.origin = origin
        }
    }

    /// The text in UTF-8, always whole characters: Python's strings are rows of code points, Swift's are not.
    private(set) var bytes: [UInt8]
    private(set) var marks: Marks

    /// No text.
    public init() { self.init(bytes: []) }

    /// A text of one origin.
    public init(_ text: String, origin: Int? = nil) { self.init(bytes: Array(text.utf8), origin: origin) }

    /// A text from its spans.
    public init(spans: [Span]) {
        self.init()
        for span in spans { append(MarkedText(span.text, origin: span.origin)) }
    }

    init(bytes: [UInt8], origin: Int? = nil) {
        self.bytes = bytes
        marks = .all(bytes.isEmpty ? nil : origin)
    }

    private init(bytes: [UInt8], marks: Marks) {
        self.bytes = bytes
        self.marks = marks
    }

    /// The whole text without its marks.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// The text in order; neighbours have different origins, none is empty.
    public var spans: [Span] {
        if bytes.isEmpty { return [] }
        var start = 0
        return runs.map { run in
            defer { start = run.end }
            return Span(String(decoding: bytes[start..<run.end], as: UTF8.self), origin: run.origin)
        }
    }

    var isEmpty: Bool { bytes.isEmpty }

    /// The text's stretches of one origin.
    var runs: [Marks.Run] {
        switch marks {
        case .all(let origin): bytes.isEmpty ? [] : [Marks.Run(end: bytes.count, origin: origin)]
        case .runs(let runs): runs
        }
    }

    /// The origin of a text that has one for all of it, or else the first that is not the template's.
    var mainOrigin: Int? {
        switch marks {
        case .all(let origin): origin
        case .runs(let runs): runs.lazy.compactMap(\.origin).first
        }
    }

    mutating func append(_ other: MarkedText) {
        if other.bytes.isEmpty { return }
        if bytes.isEmpty {
            self = other
            return
        }
        marks.append(other.marks, count: other.bytes.count, after: bytes.count)
        bytes += other.bytes
    }

    mutating func append(_ text: some Collection<UInt8>, origin: Int? = nil) {
        if text.isEmpty { return }
        if bytes.isEmpty { marks = .all(origin) }
        marks.append(.all(origin), count: text.count, after: bytes.count)
        bytes += text
    }

    mutating func append(_ text: String, origin: Int? = nil) { append(text.utf8, origin: origin) }

    /// The part from one byte to another, which are at the borders of characters.
    subscript(range: Range<Int>) -> MarkedText {
        if range.count == bytes.count { return self }
        if range.isEmpty { return MarkedText() }
        return MarkedText(bytes: Array(bytes[range]), marks: marks[range])
    }

    /// The same marks on other bytes, one for one.
    func mapBytes(_ transform: (UInt8) -> UInt8) -> MarkedText {
        MarkedText(bytes: bytes.map(transform), marks: marks)
    }

    static func + (left: MarkedText, right: MarkedText) -> MarkedText {
        var sum = left
        sum.append(right)
        return sum
    }
}

/// Who gave which bytes of a text.
enum Marks: Equatable, Sendable {
    /// One origin for all.
    case all(Int?)
    /// Two stretches or more. Neighbours differ.
    case runs([Run])

    /// A stretch that ends before a byte.
    struct Run: Equatable, Sendable {
        var end: Int
        var origin: Int?
    }

    /// Adds the marks of `count` bytes behind the first `length`.
    mutating func append(_ other: Marks, count: Int, after length: Int) {
        if case .all(let mine) = self, case .all(let others) = other, mine == others { return }
        var runs = Marks.list(self, count: length)
        self = .all(nil)
        for run in Marks.list(other, count: count) {
            if let last = runs.last, last.origin == run.origin { runs.removeLast() }
            runs.append(Run(end: length + run.end, origin: run.origin))
        }
        self = runs.count == 1 ? .all(runs[0].origin) : .runs(runs)
    }

    /// The marks of a part that is not empty.
    subscript(range: Range<Int>) -> Marks {
        guard case .runs(let runs) = self else { return self }
        var low = 0
        var high = runs.count - 1
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].end > range.lowerBound { high = middle } else { low = middle + 1 }
        }
        var part: [Run] = []
        while low < runs.count {
            part.append(
                Run(end: min(runs[low].end, range.upperBound) - range.lowerBound, origin: runs[low].origin))
            if runs[low].end >= range.upperBound { break }
            low += 1
        }
        return part.count == 1 ? .all(part[0].origin) : .runs(part)
    }

    private static func list(_ marks: Marks, count: Int) -> [Run] {
        switch marks {
        case .all(let origin): [Run(end: count, origin: origin)]
        case .runs(let runs): runs
        }
    }
}
