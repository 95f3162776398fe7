public import Prompts

/// How well places agree with those that are expected, over pictures.
///
/// Boxes are paired where they overlap, those that overlap most first, points with the nearest point; labels are not compared.
/// Of a quadrangle it is the box around it that counts.
public struct PlaceAgreement: Equatable, Sendable {
    /// Boxes that were expected.
    public private(set) var expectedBoxes = 0
    /// Boxes that were found.
    public private(set) var foundBoxes = 0
    /// Intersection over union of each pair of boxes.
    public private(set) var overlaps: [Double] = []
    /// Points that were expected.
    public private(set) var expectedPoints = 0
    /// Points that were found.
    public private(set) var foundPoints = 0
    /// The distance of each pair of points, in pixels.
    public private(set) var distances: [Double] = []
    /// The same as a share of the picture's diagonal.
    public private(set) var relativeDistances: [Double] = []

    /// Nothing compared yet.
    public init() {}

    /// Whether there was nothing to compare.
    public var isEmpty: Bool { expectedBoxes + foundBoxes + expectedPoints + foundPoints == 0 }

    /// The mean intersection over union of paired boxes.
    public var meanOverlap: Double? { PlaceAgreement.mean(overlaps) }

    /// Pairs of boxes whose intersection is more than half of their union.
    public var hits: Int { overlaps.count { $0 > 0.5 } }

    /// The share of expected boxes that one was found for whose intersection with it is more than half of their union.
    public var hitShare: Double? { expectedBoxes > 0 ? Double(hits) / Double(expectedBoxes) : nil }

    /// Whether every box expected was found so, and no other.
    public var isWhole: Bool { hits == expectedBoxes && foundBoxes == expectedBoxes }

    /// The mean distance of paired points, in pixels.
    public var meanDistance: Double? { PlaceAgreement.mean(distances) }

    /// The mean distance of paired points as a share of the picture's diagonal.
    public var meanRelativeDistance: Double? { PlaceAgreement.mean(relativeDistances) }

    private static func mean(_ values: [Double]) -> Double? {
        values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
    }

    /// Compares the places of one picture.
    public mutating func add(expected: [LocatedObject], found: [LocatedObject], in picture: ImageSize) {
        let boxes = (expected.compactMap(PixelBox.init), found.compactMap(PixelBox.init))
        expectedBoxes += boxes.0.count
        foundBoxes += boxes.1.count
        let nearness = PlaceAgreement.pairs(boxes.0, boxes.1) { a, b in
            let overlap = a.overlap(b)
            return overlap > 0 ? overlap : nil
        }
        overlaps += nearness

        let points = (expected.compactMap(\.point), found.compactMap(\.point))
        expectedPoints += points.0.count
        foundPoints += points.1.count
        let far = PlaceAgreement.pairs(points.0, points.1) { a, b in -a.distance(to: b) }.map { -$0 }
        distances += far
        let (width, height) = (Double(picture.width), Double(picture.height))
        let diagonal = (width * width + height * height).squareRoot()
        relativeDistances += far.map { diagonal > 0 ? $0 / diagonal : 0 }
    }

    /// Pairs whose nearness is largest first, each of either side in one pair at most; gives the nearnesses.
    private static func pairs<Place>(
        _ a: [Place], _ b: [Place], _ nearness: (Place, Place) -> Double?
    ) -> [Double] {
        var candidates: [(nearness: Double, a: Int, b: Int)] = []
        for (i, x) in a.enumerated() {
            for (j, y) in b.enumerated() {
                if let near = nearness(x, y) { candidates.append((near, i, j)) }
            }
        }
        // Of equals the first: by the order of the answers.
        candidates.sort { ($1.nearness, $0.a, $0.b) < ($0.nearness, $1.a, $1.b) }
        var (freeA, freeB) = (Set(a.indices), Set(b.indices))
        return candidates.compactMap { pair in
            guard freeA.contains(pair.a), freeB.contains(pair.b) else { return nil }
            freeA.remove(pair.a)
            freeB.remove(pair.b)
            return pair.nearness
        }
    }
}

/// A box in pixels.
private struct PixelBox {
    let left, top, right, bottom: Double

    /// The box around an object; nil for a point.
    init?(_ object: LocatedObject) {
        let (xs, ys) = (object.points.map(\.x), object.points.map(\.y))
        guard object.points.count > 1, let left = xs.min(), let right = xs.max(), let top = ys.min(),
            let bottom = ys.max()
        else { return nil }
        (self.left, self.top, self.right, self.bottom) = (
            Double(left), Double(top), Double(right), Double(bottom)
        )
    }

    private var area: Double { (right - left) * (bottom - top) }

    /// Intersection over union; of boxes without an area 1 where they are the same.
    func overlap(_ other: PixelBox) -> Double {
        let width = max(0, min(right, other.right) - max(left, other.left))
        let height = max(0, min(bottom, other.bottom) - max(top, other.top))
        let union = area + other.area - width * height
        guard union > 0 else {
            return left == other.left && top == other.top && right == other.right && bottom == other.bottom
                ? 1 : 0
        }
        return width * height / union
    }
}

extension LocatedObject {
    fileprivate var point: Point? { points.count == 1 ? points.first : nil }
}

extension LocatedObject.Point {
    fileprivate func distance(to other: LocatedObject.Point) -> Double {
        let (dx, dy) = (Double(x) - Double(other.x), Double(y) - Double(other.y))
        return (dx * dx + dy * dy).squareRoot()
    }
}
