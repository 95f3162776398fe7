/// Rows of text in aligned columns.
public struct Table {
    private let header: [String]
    private var rows: [[String]] = []

    /// A table with these columns and no rows.
    public init(_ header: String...) { self.header = header }

    /// Adds a row; missing cells are empty.
    public mutating func add(_ cells: String...) { rows.append(cells) }

    /// Adds a row; missing cells are empty.
    public mutating func add(_ cells: [String]) { rows.append(cells) }

    /// The table; the first column is aligned left, all others right.
    public var text: String {
        let all = [header] + rows
        let widths = header.indices.map { column in
            all.map { $0.indices.contains(column) ? $0[column].count : 0 }.max() ?? 0
        }
        return all.map { row in
            row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: max(0, widths[column] - cell.count))
                return column == 0 ? cell + padding : padding + cell
            }.joined(separator: "  ")
        }.joined(separator: "\n")
    }
}
