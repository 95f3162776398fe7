/// A bracket that an answer opened and did not close yet, or the answer itself.
struct PlaceFrame {
    /// How it will be closed; nil for the answer itself.
    let closing: UInt8?
    /// Where it begins, for people.
    let start: Int
    /// Whether it stands, by lists alone, for what a member named as a place holds.
    let isPlace: Bool
    /// The name of the member whose value comes next.
    var key: String?
    /// Its members without names.
    var list = NumberList()
    /// Places within it that have no label yet, by their number.
    var unlabelled: [Int] = []
    private var label: (rank: Int, text: String)?
    private var sides: [String: Double] = [:]

    init(closing: UInt8?, start: Int, isPlace: Bool) {
        (self.closing, self.start, self.isPlace) = (closing, start, isPlace)
    }

    /// What the places in it are called.
    var name: String? { label?.text }

    /// Names that say what an object is, the best first.
    private static let labels = [
        "label", "text_content", "text", "name", "title", "category", "class", "class_name", "caption",
        "object",
        "description", "action",
    ]
    /// Names of coordinates, in the ways that boxes and points are written in single numbers.
    private static let forms = [
        ["x1", "y1", "x2", "y2"], ["xmin", "ymin", "xmax", "ymax"], ["x_min", "y_min", "x_max", "y_max"],
        ["left", "top", "right", "bottom"], ["x", "y"],
    ]
    private static let extents = [["x", "y", "width", "height"], ["x", "y", "w", "h"]]
    private static let sideNames = Set((forms + extents).joined())

    /// Takes a member that may say what it is.
    mutating func take(_ name: String, _ text: String) {
        guard let rank = PlaceFrame.labels.firstIndex(of: name.lowercased()), rank < label?.rank ?? .max
        else { return }
        label = (rank, text)
    }

    /// Takes a member that may be a coordinate.
    mutating func take(_ name: String, _ number: Double) {
        let name = name.lowercased()
        if PlaceFrame.sideNames.contains(name) { sides[name] = number }
    }

    /// The place that its own members make; nil for none.
    var coordinates: [Double]? {
        for form in PlaceFrame.extents {
            let values = form.compactMap { sides[$0] }
            if values.count == 4 {
                return [values[0], values[1], values[0] + values[2], values[1] + values[3]]
            }
        }
        for form in PlaceFrame.forms {
            let values = form.compactMap { sides[$0] }
            if values.count == form.count { return values }
        }
        return nil
    }
}
