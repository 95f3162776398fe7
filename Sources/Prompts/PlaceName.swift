/// What the names of members say about numbers.
enum PlaceName {
    case point, box, quad, any
    /// A place in space, which is none in a picture.
    case solid

    /// More bytes than any name has that is known.
    private static let longest = 40

    /// A name as it is compared: its letters and digits, small; nil where it is too long for any that is known.
    static func plain(_ name: String) -> String? {
        name.utf8.count <= longest ? name.lowercased().filter { $0.isLetter || $0.isNumber } : nil
    }

    /// Nil for names that stand for no place. Spaces, underscores and what counts them (`box_1`) are no difference.
    init?(_ name: String) {
        guard var plain = PlaceName.plain(name) else { return nil }
        let isSolid = plain.hasSuffix("3d")
        if isSolid || plain.hasSuffix("2d") { plain.removeLast(2) }
        while plain.last?.isNumber == true { plain.removeLast() }
        switch plain {
        case "point", "points", "keypoint", "keypoints", "center", "click": self = .point
        case "bbox", "bboxes", "box", "boxes", "boundingbox", "boundingboxes", "rect", "rects", "rectangle",
            "rectangles", "bounds":
            self = .box
        case "quad", "quads", "quadrangle", "polygon", "poly": self = .quad
        case "coordinate", "coordinates", "coords", "coord", "startcoordinate", "endcoordinate", "startbox",
            "endbox", "startpoint", "endpoint", "position", "location":
            self = .any
        default: return nil
        }
        if isSolid { self = .solid }
    }

    /// Whether so many numbers are one such place.
    func isPlace(of count: Int) -> Bool {
        switch self {
        case .point: count == 2
        case .box: count == 4 || count == 8
        case .quad: count == 8
        case .any: [2, 4, 8].contains(count)
        case .solid: false
        }
    }
}
