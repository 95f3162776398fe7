public import Storage

/// Something that an answer places in a picture.
public struct LocatedObject: Equatable, Sendable {
    /// A place in pixels of the picture as it was given.
    public struct Point: Equatable, Sendable {
        /// From the left.
        public var x: Int
        /// From the top.
        public var y: Int

        /// A point from its coordinates.
        public init(x: Int, y: Int) {
            self.x = x
            self.y = y
        }
    }

    /// What the answer calls it; nil when it does not say.
    public var label: String?
    /// One for a point, two for a box (top left, bottom right), four for a quadrangle.
    public var points: [Point]

    /// An object from its parts.
    public init(label: String?, points: [Point]) {
        self.label = label
        self.points = points
    }

    /// `x y`, `x1 y1 x2 y2` and so on.
    public var coordinates: String { points.map { "\($0.x) \($0.y)" }.joined(separator: " ") }

    /// The object as JSON: `label`, and `point`, `box` or `quad` in pixels.
    public var json: JSON {
        let kind = points.count == 1 ? "point" : points.count == 2 ? "box" : "quad"
        return .pairs([
            "label": label.map(JSON.string) ?? .null,
            kind: .array(points.flatMap { [.int($0.x), .int($0.y)] }),
        ])
    }
}

/// What an answer places in a picture.
public struct LocatedObjects: Equatable, Sendable {
    /// In the order of the answer.
    public var objects: [LocatedObject]
    /// How much looked like a place and was skipped.
    public var skipped: Int
    /// The beginning of the first that was skipped.
    public var firstSkipped: String?
}

extension PromptSettings.Coordinates {
    /// What the numbers of an answer mean, for people.
    public var explanation: String {
        switch self {
        case .thousandths: "thousandths of the picture's width and height"
        case .resizedPixels: "pixels of the resized picture"
        }
    }

    /// The objects that an answer places in a picture, in pixels of that picture.
    ///
    /// What is understood, whatever the letters' case, quotation marks and depth:
    /// - Tags around numbers (`<box>(x,y),(x,y)</box>`, `<|box_start|>…`, `<quad>`, `<point>`), named by `<ref>`, and tags
    ///   of points (`<points x1="…" y1="…" x2="…" y2="…" alt="…">`), named by `alt` or what they hold.
    /// - What resembles JSON, or the arguments of a call, with members such as `bbox_2d`, `bounding box`, `rect`, `bounds`,
    ///   `quad_2d`, `point_2d`, `keypoints`, `coordinate` or `coordinate2`, also with a number behind the name. Their values
    ///   are numbers, texts with numbers, pairs, several places, or objects of coordinates.
    /// - Objects of coordinates: `x1 y1 x2 y2`, `xmin ymin xmax ymax`, `left top right bottom`, `x y`, `left` and `top`, `x`
    ///   and `y` or the middle `cx` and `cy` with `width` and `height` (`w`, `h`), pairs `top_left` and `bottom_right`.
    /// - Where nothing of these is found: lists of four numbers or of two pairs, alone, with one text (`["dog", [1,2,3,4]]`)
    ///   or under any name; pairs in prose (`(1,2),(3,4)`); calls such as `click(1, 2)` and `swipe(1, 2, 3, 4)`.
    ///
    /// An object's label is its member `label` or another such, else that of what is around it; without one, the name of the
    /// member that holds it (`{"dog": {"bbox_2d": …}}`), unless it is one of a container (`objects`, `result`).
    ///
    /// What looks like a place and is not understood, or is cut short, is counted. So are places in space (`bbox_3d`), shares
    /// of the picture's sides (all within 0…1, with a fraction) and a pair that stands alone. Thoughts (up to `</think>`) are
    /// no answer. Places outside are moved to the picture's edge.
    /// - Parameters:
    ///   - answer: the text with its special tokens.
    ///   - original: the picture as it was given.
    ///   - resized: the picture as the model saw it.
    public func objects(in answer: String, original: ImageSize, resized: ImageSize) -> LocatedObjects {
        let base = self == .thousandths ? ImageSize(width: 1000, height: 1000) : resized
        func pixel(_ value: Double, _ base: Int, _ side: Int) -> Int {
            let scaled = value / Double(max(1, base)) * Double(side)
            // No picture has a side that a double cannot hold.
            return scaled.isFinite ? Int(min(max(scaled, 0), Double(min(max(side, 0), 1 << 52)))) : 0
        }
        let scanner = PlaceScanner(answer)
        let objects = scanner.found.map { placed in
            var points = stride(from: 0, to: placed.numbers.count, by: 2).map { index in
                LocatedObject.Point(
                    x: pixel(placed.numbers[index], base.width, original.width),
                    y: pixel(placed.numbers[index + 1], base.height, original.height))
            }
            if points.count == 2 {
                let (a, b) = (points[0], points[1])
                points = [
                    .init(x: min(a.x, b.x), y: min(a.y, b.y)), .init(x: max(a.x, b.x), y: max(a.y, b.y)),
                ]
            }
            return LocatedObject(label: placed.label, points: points)
        }
        return LocatedObjects(
            objects: objects, skipped: scanner.skipped?.count ?? 0, firstSkipped: scanner.skipped?.first)
    }
}
