internal import GroupFormats

/// The order in which columns are rounded: groups stay together, so that each is stored as if nothing had been reordered.
///
/// Columns that matter most come first, so that those after them can make up for their errors: groups by the sum of E[x²],
/// then columns within a group ("group-aware reordering").
struct ColumnOrder: Equatable {
    /// The group that comes at each place.
    let groups: [Int]
    /// The column that comes at each place.
    let columns: [Int]
    /// Where each group's columns begin among the places; one more for the end.
    let starts: [Int]

    /// The order for the diagonal of the second moments.
    init(_ diagonal: [Float], groupSize: Int) {
        let count = (diagonal.count + groupSize - 1) / groupSize
        let members = (0..<count).map { group in
            (group * groupSize..<min((group + 1) * groupSize, diagonal.count)).sorted {
                (-diagonal[$0], $0) < (-diagonal[$1], $1)
            }
        }
        let mass = members.map { $0.reduce(0) { $0 + Double(diagonal[$1]) } / Double(max(1, $0.count)) }
        groups = (0..<count).sorted { (-mass[$0], $0) < (-mass[$1], $1) }
        columns = groups.flatMap { members[$0] }
        starts = groups.reduce(into: [0]) { $0.append($0[$0.count - 1] + members[$1].count) }
    }
}
