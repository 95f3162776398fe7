import Storage

/// Pictures with the errors of their visual tokens and the places that both models found, as SVG.
///
/// The page has room for so many bytes and tokens; pictures beyond that are plain, or only named.
struct PictureFigures {
    private let picture: (String) -> [UInt8]?
    /// One scale for all pictures, so that they can be compared.
    private let shade: Shade
    private var bytesLeft = PictureFile.most
    private var cellsLeft = 20_000
    private var (count, files) = (0, 0)

    /// Frames of a video that are drawn.
    private static let mostFrames = 4

    init(_ pictures: [Picture], _ picture: @escaping (String) -> [UInt8]?) {
        self.picture = picture
        shade = Shade(evenlyTo: pictures.flatMap { $0.grid?.errors ?? [] })
    }

    /// The figures of a picture: as it is with the places, and under the errors.
    mutating func markup(_ picture: Picture) -> Markup {
        let file = load(picture.path)
        let name = picture.path.map(Path.name) ?? "a picture"
        let grid = picture.grid
        let frames = min(grid?.frames ?? 1, PictureFigures.mostFrames)
        let cells = grid.map { $0.rows * $0.columns * frames } ?? 0
        let isDrawn = grid != nil && cells <= cellsLeft
        if isDrawn { cellsLeft -= cells }
        guard file != nil || isDrawn || hasBoxes(picture) else {
            return "<p class=\"note\">\(name): there is nothing to show of it.</p>"
        }
        var figures: Markup = ""
        if file != nil || hasBoxes(picture) {
            let boxes = hasBoxes(picture) ? ": solid what the base found, dashed what the other did" : ""
            figures += frame(
                picture, title: "\(name)\(boxes)", image: image(picture, file), boxes: true, cells: "")
        }
        if isDrawn, let grid {
            for frame in 0..<frames {
                let number = grid.frames > 1 ? ", frame \(frame + 1) of \(grid.frames)" : ""
                figures += self.frame(
                    picture, title: "\(name)\(number): relative error of each visual token",
                    image: file == nil ? image(picture, nil) : "<use href=\"#file-\(files)\"/>", boxes: false,
                    cells: self.cells(picture, grid, frame))
            }
        }
        let legend = isDrawn ? shade.legend("Relative error") { Words.percent($0, 1) } : ""
        return
            "<div class=\"picture\"><div class=\"frames\">\(figures)</div>\(legend)\(worst(picture, name))</div>\n"
    }

    private func hasBoxes(_ picture: Picture) -> Bool {
        picture.width != nil && !(picture.boxes.base.isEmpty && picture.boxes.other.isEmpty)
    }

    private mutating func load(_ path: String?) -> PictureFile? {
        guard let path, let file = picture(path).flatMap(PictureFile.init),
            file.bytes.count <= bytesLeft
        else { return nil }
        bytesLeft -= file.bytes.count
        return file
    }

    /// Pixels of the file, or 16 for each visual token where they are not known.
    private func size(_ picture: Picture) -> (width: Double, height: Double) {
        if let width = picture.width, let height = picture.height { return (Double(width), Double(height)) }
        return picture.grid.map { (16 * Double($0.columns), 16 * Double($0.rows)) } ?? (320, 240)
    }

    private mutating func frame(
        _ picture: Picture, title: String, image: Markup, boxes: Bool, cells: Markup
    ) -> Markup {
        count += 1
        let (width, height) = size(picture)
        let found: Markup =
            boxes
            ? "\(self.boxes(picture.boxes.base, "base", 0, width))\(self.boxes(picture.boxes.other, "other", 1, width))"
            : ""
        return """
            <figure><svg viewBox="0 0 \(width) \(height)" role="img" aria-labelledby="picture-\(count)">
            <title id="picture-\(count)">\(title)</title>\(image)\(cells)\(found)</svg>
            <figcaption>\(title)</figcaption></figure>

            """
    }

    /// The picture itself, which later figures use again.
    private mutating func image(_ picture: Picture, _ file: PictureFile?) -> Markup {
        let (width, height) = size(picture)
        guard let file, let text = Base64.encode(file.bytes) else {
            return "<rect class=\"blank\" width=\"\(width)\" height=\"\(height)\"/>"
        }
        files += 1
        return """
            <image id="file-\(files)" href="data:\(file.medium);base64,\(text)" width="\(width)" height="\(height)" \
            preserveAspectRatio="none"/>
            """
    }

    private func cells(_ picture: Picture, _ grid: Picture.Grid, _ frame: Int) -> Markup {
        let (width, height) = size(picture)
        let cell = (width: width / Double(grid.columns), height: height / Double(grid.rows))
        let first = frame * grid.rows * grid.columns
        let rectangles = (0..<grid.rows * grid.columns).map { number -> Markup in
            let (row, column) = (number / grid.columns, number % grid.columns)
            let error = grid.errors[first + number]
            return """
                <rect class="k\(shade.step(error))" x="\(Double(column) * cell.width)" y="\(Double(row) * cell.height)" \
                width="\(cell.width)" height="\(cell.height)"><title>row \(row), column \(column): \
                \(Words.percent(error))</title></rect>
                """
        }
        return "<g class=\"cells\">\(rectangles)</g>"
    }

    private func boxes(_ boxes: [Picture.Box], _ side: String, _ series: Int, _ width: Double) -> [Markup] {
        let letters = width / 22
        return boxes.enumerated().map { number, box -> Markup in
            // The base's names stand in the box's upper left corner, the other's in its lower right one.
            let (x, y) =
                series == 0
                ? (box.x + letters / 4, box.y + letters)
                : (box.x + box.width - letters / 4, box.y + box.height - letters / 3)
            let outline: Markup =
                "x=\"\(box.x)\" y=\"\(box.y)\" width=\"\(box.width)\" height=\"\(box.height)\""
            return """
                <rect class="halo" \(outline)/><rect class="box s\(series)" \(outline)><title>\(side) \(number + 1)</title>\
                </rect><text class="box-name \(side)" x="\(x)" y="\(y)" font-size="\(letters)">\(side) \(number + 1)</text>
                """
        }
    }

    private func worst(_ picture: Picture, _ name: String) -> Markup {
        guard let grid = picture.grid else { return "" }
        var table = HTMLTable(
            "\(name): visual tokens that are furthest away", .text("frame"), .number("row"),
            .number("column"),
            .number("relative error"))
        for (number, error) in Array(grid.errors.enumerated()).worstFirst({ $0.element }).prefix(10) {
            let row = number / grid.columns
            table.add(
                "\(row / grid.rows + 1)", "\(row % grid.rows)", "\(number % grid.columns)",
                "\(Words.percent(error))")
        }
        return table.folded("The worst visual tokens in numbers")
    }
}
