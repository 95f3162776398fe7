/// A bracket that an answer opened and did not close yet, or the answer itself.
struct PlaceFrame {
    /// How it will be closed; nil for the answer itself.
    let closing: UInt8?
    /// Where it begins, for people.
    let start: Int
    /// The kind of the place that it holds, by lists alone, for the member named as one.
    let place: PlaceName?
    /// What the call that it begins does with places; nil for others.
    let gesture: Gesture?
    /// The name of the member whose value comes next.
    var key: String?
    /// Its members without names.
    var list = NumberList()
    /// Places within it that have no label of their own yet, by their number.
    var unlabelled: [Int] = []
    private var label: (rank: Int, text: String)?
    private var sides: [String: Double] = [:]

    init(closing: UInt8?, start: Int, place: PlaceName? = nil, gesture: Gesture? = nil) {
        (self.closing, self.start, self.place, self.gesture) = (closing, start, place, gesture)
    }

    /// Whether it is within a member named as a place.
    var isPlace: Bool { place != nil }

    /// What the places in it are called.
    var name: String? { label?.text }

    /// Names that say what an object is, the best first.
    private static let labels = [
        "label", "text_content", "text", "name", "title", "category", "class", "class_name", "caption",
        "object", "description", "action",
    ].compactMap(PlaceName.plain)
    /// Names of coordinates, in the ways that boxes and points are written in single numbers.
    private static let forms = [
        ["x1", "y1", "x2", "y2"], ["xmin", "ymin", "xmax", "ymax"], ["left", "top", "right", "bottom"],
        ["x", "y"], ["cx", "cy"],
    ]
    /// Those of a corner and of the middle, each before the size.
    private static let corners = [["x", "y"], ["left", "top"], ["x1", "y1"], ["xmin", "ymin"]]
    private static let middles = [["cx", "cy"], ["centerx", "centery"], ["xcenter", "ycenter"]]
    private static let sizes = [["width", "height"], ["w", "h"]]
    private static let sideNames = Set((forms + corners + middles + sizes).joined())
    /// Corners that are written as pairs.
    private static let pairs = [
        "topleft": ["x1", "y1"], "lefttop": ["x1", "y1"],
        "bottomright": ["x2", "y2"], "rightbottom": ["x2", "y2"],
    ]
    /// Names of members that hold objects without saying what they are.
    private static let containers: Set<String> = [
        "objects", "object", "items", "item", "results", "result", "detections", "detection", "annotations",
        "annotation", "predictions", "prediction", "elements", "element", "targets", "target", "instances",
        "regions", "region", "shapes", "shape", "data", "output", "outputs", "answer", "answers", "response",
        "image", "images", "place", "places", "area", "geometry", "arguments", "parameters", "args", "input",
        "action", "actions", "this", "these", "that", "here", "found", "json", "list",
    ]

    /// What the name of a member calls the places in it; nil where it is none of theirs.
    static func label(key: String) -> String? {
        guard key.utf8.count <= PlacedNumbers.longestText, PlaceName(key) == nil else { return nil }
        let plain = PlaceName.plain(key) ?? key
        let isTaken =
            plain.isEmpty || containers.contains(plain) || labels.contains(plain)
            || sideNames.contains(plain) || pairs[plain] != nil
        return isTaken ? nil : key
    }

    /// Whether a member of this name is a corner.
    static func isCorner(_ name: String) -> Bool { PlaceName.plain(name).map { pairs[$0] != nil } ?? false }

    /// Takes a member that may say what it is.
    mutating func take(_ name: String, _ text: String) {
        guard let name = PlaceName.plain(name), let rank = PlaceFrame.labels.firstIndex(of: name),
            rank < label?.rank ?? .max
        else { return }
        label = (rank, text)
    }

    /// Takes a member that may be a coordinate.
    mutating func take(_ name: String, _ number: Double) {
        guard let name = PlaceName.plain(name), PlaceFrame.sideNames.contains(name) else { return }
        sides[name] = number
    }

    /// Takes a corner, which is two numbers.
    mutating func take(corner name: String, _ numbers: [Double]) {
        guard let plain = PlaceName.plain(name), let names = PlaceFrame.pairs[plain] else { return }
        for (name, number) in zip(names, numbers) { sides[name] = number }
    }

    private func values(_ names: [String]) -> [Double]? {
        let values = names.compactMap { sides[$0] }
        return values.count == names.count ? values : nil
    }

    /// The place that its own members make; nil for none.
    var coordinates: [Double]? {
        if let size = PlaceFrame.sizes.lazy.compactMap({ values($0) }).first {
            if let middle = PlaceFrame.middles.lazy.compactMap({ values($0) }).first {
                return [
                    middle[0] - size[0] / 2, middle[1] - size[1] / 2,
                    middle[0] + size[0] / 2, middle[1] + size[1] / 2,
                ]
            }
            // Where both are told, the other corner says it better.
            if let box = PlaceFrame.forms.lazy.compactMap({ values($0) }).first, box.count == 4 { return box }
            if let corner = PlaceFrame.corners.lazy.compactMap({ values($0) }).first {
                return corner + [corner[0] + size[0], corner[1] + size[1]]
            }
        }
        return PlaceFrame.forms.lazy.compactMap { values($0) }.first
    }

    /// Whether its members are a part of a place: a corner.
    var isPartial: Bool {
        coordinates == nil && PlaceFrame.corners.contains { values($0) != nil }
    }
}

/// What a call does at places: `click(100, 200)`, `swipe(1, 2, 3, 4)`.
enum Gesture {
    case tap, stroke

    /// Nil for calls that need no place.
    init?(_ call: String) {
        let name = call.split(separator: ".").last.flatMap { PlaceName.plain(String($0)) }
        switch name {
        case "click", "leftclick", "rightclick", "middleclick", "doubleclick", "tripleclick", "leftsingle",
            "leftdouble", "rightsingle", "tap", "doubletap", "longtap", "longpress", "touch", "hover",
            "moveto",
            "mousemove", "movemouse", "dragto":
            self = .tap
        case "drag", "swipe", "leftclickdrag": self = .stroke
        default: return nil
        }
    }

    /// The points that a call's arguments are; nil when they make no sense.
    func points(_ list: NumberList) -> [[Double]]? { list.isMixed ? nil : points(list.numbers) }

    /// The points that so many numbers are; nil when they make no sense.
    func points(_ numbers: [Double]) -> [[Double]]? {
        switch (self, numbers.count) {
        case (_, 2): [numbers]
        case (.stroke, 4): [Array(numbers[..<2]), Array(numbers[2...])]
        default: nil
        }
    }
}
