import Storage

/// Measures of modules by block, as SVG whose letters keep their size.
struct HeatMap {
    /// A measured module.
    struct Cell {
        let row: String
        let block: Int?
        let value: Double
        let label: String
    }

    let title: String
    let summary: String
    private let rows: [String]
    /// The numbers of blocks, and nil for what is in none.
    private let columns: [Int?]
    private let cells: [Cell]

    private static let side = 20.0
    private static let labelWidth = 124.0

    init(title: String, summary: String, cells: [Cell]) {
        (self.title, self.summary, self.cells) = (title, summary, cells)
        var rows: [String] = []
        for cell in cells where !rows.contains(cell.row) { rows.append(cell.row) }
        self.rows = rows
        let blocks = Set(cells.compactMap(\.block)).sorted()
        columns = blocks.map(Optional.some) + (cells.contains { $0.block == nil } ? [nil] : [])
    }

    /// Whether there is no room for lines between cells.
    private var isDense: Bool { columns.count > 40 }

    /// The figure; `id` is unique in the page.
    func markup(id: String, shade: Shade) -> Markup {
        let width = 100 / Double(max(1, columns.count))
        // Without a gap; the next one covers what is too much.
        let drawn = isDense ? width + 0.1 : width
        let height = HeatMap.side * Double(rows.count)
        let (rowNumbers, columnNumbers) = (numbers(rows), numbers(columns))
        // Row after row, as the arrow keys walk.
        let places = cells.compactMap { cell -> (row: Int, column: Int, cell: Cell)? in
            guard let row = rowNumbers[cell.row], let column = columnNumbers[cell.block] else { return nil }
            return (row, column, cell)
        }.sorted { ($0.row, $0.column) < ($1.row, $1.column) }
        let rectangles = places.map { place -> Markup in
            """
            <rect class="k\(shade.step(place.cell.value))" x="\(Double(place.column) * width)%" \
            y="\(Double(place.row) * HeatMap.side)" width="\(drawn)%" height="\(HeatMap.side)">\
            <title>\(place.cell.label)</title></rect>
            """
        }
        return """
            <figure class="chart heat\(isDense ? " dense" : "")">
            <figcaption>\(title)</figcaption>
            <div class="axes probe" tabindex="0" role="group" aria-label="\(title): arrow keys walk along">
            \(rowLabels(height))
            <svg class="plot" height="\(height + 22)" role="img" aria-labelledby="\(id)-t \(id)-d">
            <title id="\(id)-t">\(title)</title><desc id="\(id)-d">\(summary)</desc>
            \(rectangles)\(columnLabels(width, y: height + 15))
            </svg>
            </div>
            <output aria-live="polite">\(summary)</output>
            </figure>

            """
    }

    private func numbers<Key: Hashable>(_ keys: [Key]) -> [Key: Int] {
        Dictionary(keys.enumerated().map { ($1, $0) }) { first, _ in first }
    }

    private func rowLabels(_ height: Double) -> Markup {
        let labels = rows.enumerated().map { number, row -> Markup in
            let y = HeatMap.side * (Double(number) + 0.5) + 4
            return """
                <text x="\(HeatMap.labelWidth - 6)" y="\(y)">\(Words.clipped(row, 18))<title>\(row)</title></text>
                """
        }
        return """
            <svg class="ticks" width="\(HeatMap.labelWidth)" height="\(height + 22)" aria-hidden="true">\
            \(labels)</svg>
            """
    }

    /// Some eight numbers of blocks, which fit on a phone.
    private func columnLabels(_ width: Double, y: Double) -> [Markup] {
        let every = max(1, (columns.count + 7) / 8)
        return columns.enumerated().compactMap { number, block -> Markup? in
            let x = (Double(number) + 0.5) * width
            guard let block, number.isMultiple(of: every) else { return nil }
            return "<text class=\"below\" x=\"\(x)%\" y=\"\(y)\">\(block)</text>"
        }
    }
}
