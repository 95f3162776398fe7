internal import Storage

/// Heads of values that share heads of keys, as a model counts them.
///
/// They are published group by group: those of the first key, then those of the second. llama.cpp stores the first of every group, then
/// the second of every group, so that what groups share can be repeated as a whole.
public struct ValueHeads: Equatable, Sendable {
    /// Heads of keys.
    let groups: Int
    /// Heads of values to each.
    let members: Int
    /// Columns of a head of values.
    let width: Int

    /// What of a tensor belongs to heads.
    public enum Place: String, Sendable {
        /// The last rows, as many of each as it has columns.
        case rows
        /// Every row, or element of a vector, one of each.
        case elements
        /// Every column.
        case columns
    }

    /// Heads of a model.
    /// - Parameters:
    ///   - count: heads of values, a multiple of `keys`, the heads of keys.
    ///   - width: columns of a head.
    public init(count: Int, keys: Int, width: Int) {
        precondition(count > 0 && keys > 0 && count % keys == 0 && width > 0)
        (groups, members, self.width) = (keys, count / keys, width)
    }

    /// Where the heads of a tensor lie.
    /// - Throws: `.badInput` when it has no room for them, or for anything else.
    func order(in tensor: GGUFTensor, _ place: Place) throws(Failure) -> HeadOrder {
        let extents = tensor.shape.extents
        let extent = (place == .columns ? extents.last : extents.first) ?? 0
        let (count, overflow) = (groups * members).multipliedReportingOverflow(
            by: place == .elements ? 1 : width)
        guard !overflow, place == .rows ? count <= extent : count == extent, extents.count < 3,
            place == .elements || extents.count == 2
        else {
            throw .badInput(
                "has shape \(tensor.shape), whose \(place.rawValue) are not those of \(groups * members) heads of \(width) columns",
                at: "tensor '\(tensor.name)'")
        }
        return HeadOrder(
            first: extent - count, groups: groups, members: members, width: place == .elements ? 1 : width)
    }
}

/// In which order heads lie along an axis.
struct HeadOrder: Equatable {
    /// How much comes before them, and is as published.
    let first: Int
    let groups, members, width: Int

    /// What is beside each other in both orders.
    struct Run {
        /// Where it begins as published, and where it is stored.
        let published, stored: Int
        let count: Int
    }

    /// The runs that make up a part of the axis as published, which ends where heads end or before.
    func runs(_ part: Range<Int>) -> [Run] {
        var runs: [Run] = []
        var place = part.lowerBound
        while place < part.upperBound {
            let run = run(at: place)
            let count = min(run.count, part.upperBound - place)
            runs.append(Run(published: place, stored: run.stored, count: count))
            place += count
        }
        return runs
    }

    private func run(at place: Int) -> Run {
        guard place >= first else { return Run(published: place, stored: place, count: first - place) }
        let (head, within) = (place - first).quotientAndRemainder(dividingBy: width)
        let (group, member) = head.quotientAndRemainder(dividingBy: members)
        return Run(
            published: place, stored: first + (member * groups + group) * width + within,
            count: width - within)
    }

    /// The same order of blocks of so many elements; nil when a block is of two heads.
    func counted(in elements: Int) -> HeadOrder? {
        guard width % elements == 0, first % elements == 0 else { return nil }
        return HeadOrder(
            first: first / elements, groups: groups, members: members, width: width / elements)
    }
}
