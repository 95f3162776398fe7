/// How many codes of a row share a scale.
enum GroupSize: Equatable {
    case columns(Int)
    case wholeRow

    /// For rows of `columns` codes.
    func count(columns: Int) -> Int {
        switch self {
        case .columns(let count): count
        case .wholeRow: columns
        }
    }
}
