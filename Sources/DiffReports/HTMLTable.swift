/// A table whose first column names its rows.
struct HTMLTable {
    /// A column: numbers are aligned right, words are not broken.
    enum Column {
        case text(String)
        case word(String)
        case number(String)
    }

    /// Rows of a table that has pages; without the script all are there.
    static let page = 50

    private let caption: String
    private let columns: [Column]
    private var rows: [[Markup]] = []

    init(_ caption: String, _ columns: Column...) { self.init(caption, columns) }

    init(_ caption: String, _ columns: [Column]) { (self.caption, self.columns) = (caption, columns) }

    var isEmpty: Bool { rows.isEmpty }

    mutating func add(_ cells: Markup...) { rows.append(cells) }

    mutating func add(_ cells: [Markup]) { rows.append(cells) }

    /// The table in a frame that scrolls where it is too wide; with pages and a filter where it is long.
    var markup: Markup {
        let head = columns.map { column -> Markup in
            switch column {
            case .text(let name), .word(let name): "<th scope=\"col\" class=\"t\">\(name)</th>"
            case .number(let name): "<th scope=\"col\">\(name)</th>"
            }
        }
        let paged: Markup = rows.count > HTMLTable.page ? " data-page=\"\(HTMLTable.page)\"" : ""
        return """
            <div class="scroll" tabindex="0" role="region" aria-label="\(caption)"><table\(paged)>
            <caption>\(caption)</caption>
            <thead><tr>\(head)</tr></thead>
            <tbody>
            \(rows.map(row))</tbody></table></div>

            """
    }

    /// The same, folded behind words.
    func folded(_ words: String) -> Markup {
        "<details><summary>\(words)</summary>\n\(markup)</details>\n"
    }

    /// The same, folded behind words and how many there are; where they are more than the rows, it says so.
    func folded(_ words: String, of total: Int) -> Markup {
        let left: Markup =
            rows.count < total
            ? "<p class=\"note\">Listed are the first \(Words.count(rows.count)) of \(Words.count(total)).</p>\n"
            : ""
        return "<details><summary>\(words) (\(Words.count(total)))</summary>\n\(left)\(markup)</details>\n"
    }

    private func row(_ cells: [Markup]) -> Markup {
        let cells = zip(cells, columns).enumerated().map { number, cell -> Markup in
            if number == 0 { return "<th scope=\"row\" class=\"t\">\(cell.0)</th>" }
            return switch cell.1 {
            case .text: "<td class=\"t\">\(cell.0)</td>"
            case .word: "<td class=\"w\">\(cell.0)</td>"
            case .number: "<td>\(cell.0)</td>"
            }
        }
        return "<tr>\(cells)</tr>\n"
    }
}

extension Markup {
    /// A dotted name or a path, which may break after its dots and slashes.
    static func name(_ name: String) -> Markup {
        var markup: Markup = ""
        var part = ""
        for character in name {
            part.append(character)
            if character == "." || character == "/" {
                markup += "\(part)<wbr>"
                part = ""
            }
        }
        return "<span class=\"name\">\(markup)\(part)</span>"
    }
}
