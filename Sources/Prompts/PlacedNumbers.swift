/// Numbers that an answer gives for a place, as it writes them: 2 for a point, 4 for a box, 8 for a quadrangle.
struct PlacedNumbers: Equatable {
    var label: String?
    let numbers: [Double]

    /// The most bytes of a text in which the numbers of one place are looked for.
    static let longestText = 256

    /// The decimal numbers in a text, whatever stands between them.
    static func numbers(_ text: ArraySlice<UInt8>) -> [Double] {
        let isPart = { (byte: UInt8) in
            (48...57).contains(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-")
        }
        return text.split { !isPart($0) }.compactMap { Double(String(decoding: $0, as: UTF8.self)) }
    }
}

/// What the names of members say about numbers.
enum PlaceName {
    case point, box, quad, any

    /// Nil for names that stand for no place.
    init?(_ name: String) {
        switch name.lowercased() {
        case "point_2d", "point2d", "point", "points", "points_2d", "keypoint", "center", "click":
            self = .point
        case "bbox_2d", "bbox2d", "bbox", "bboxes", "box", "boxes", "box_2d", "boxes_2d", "bounding_box",
            "boundingbox", "bounding_boxes":
            self = .box
        case "quad_2d", "quad", "quadrangle", "polygon", "poly": self = .quad
        case "coordinate", "coordinates", "coords", "coord", "start_coordinate", "end_coordinate",
            "start_box",
            "end_box", "start_point", "end_point", "position", "location":
            self = .any
        default: return nil
        }
    }

    /// Whether so many numbers are one such place.
    func isPlace(of count: Int) -> Bool {
        switch self {
        case .point: count == 2
        case .box: count == 4 || count == 8
        case .quad: count == 8
        case .any: [2, 4, 8].contains(count)
        }
    }
}

/// A list of numbers, or a list of lists of numbers with nothing else among them.
struct NumberList {
    private(set) var numbers: [Double] = []
    /// The numbers in each list within; nil where they differ.
    private(set) var width: Int?
    private(set) var lists = 0
    /// Whether anything else is among them.
    private(set) var isMixed = false

    /// Adds a number.
    mutating func append(_ number: Double) {
        if lists > 0 { isMixed = true }
        numbers.append(number)
    }

    /// Adds a list of numbers as a member, which can hold none itself.
    mutating func append(_ list: NumberList) {
        guard !list.isMixed, list.lists == 0, !list.numbers.isEmpty, lists > 0 || numbers.isEmpty else {
            isMixed = true
            return
        }
        width = lists == 0 || width == list.numbers.count ? list.numbers.count : nil
        lists += 1
        numbers += list.numbers
    }

    /// Notes that something else is among them.
    mutating func mix() { isMixed = true }

    /// The places that it stands for under a name; nil when it makes no sense there.
    func places(_ name: PlaceName) -> [[Double]]? {
        guard !isMixed, !numbers.isEmpty else { return nil }
        if lists == 0 { return name.isPlace(of: numbers.count) ? [numbers] : nil }
        guard let width else { return nil }
        // Pairs are corners of one place, but for points.
        if width == 2 {
            if name == .point { return split(2) }
            return name.isPlace(of: numbers.count) ? [numbers] : nil
        }
        return name.isPlace(of: width) ? split(width) : nil
    }

    private func split(_ width: Int) -> [[Double]] {
        stride(from: 0, to: numbers.count, by: width).map { Array(numbers[$0..<($0 + width)]) }
    }
}
