import Bundles
import GroupFormats
import Storage

/// Why a tensor is further away than it should be: known faults, tried one after the other.
struct TensorDiagnosis {
    /// A tensor of both bundles that is out of line, and what was seen when it was read.
    struct Subject {
        let name: String
        let role: String
        /// Experts that share it, one after the other; 1 for none.
        let experts: Int
        let base: StoredRows
        let other: StoredRows
        let scan: TensorScan
        /// The median error of its role, and how many others there are.
        let others: (median: Double, count: Int)
    }

    /// Errors of solvers stay below twice those of rounding to nearest, those of published codes without minimums below 2.5 times.
    static let factor = 3.0

    let subject: Subject

    private static let remedy =
        "make the other bundle anew from the base's checkpoint; if it stays, what wrote that checkpoint moved weights"

    /// What explains the tensor best; nil when nothing is out of line after all.
    /// - Parameter candidates: other tensors of the base with the same shape.
    func finding(_ candidates: [StoredRows]) -> Finding? {
        guard subject.scan.error.isFinite else { return notFinite }
        let isFar = subject.scan.error > TensorDiagnosis.factor * subject.scan.expected
        let byTensor = isFar ? channels ?? exchanged(candidates) ?? values ?? multiple : nil
        return byTensor ?? rows ?? scaled ?? differing
    }

    private func found(
        _ kind: Finding.Kind, _ words: String, figure: Double? = nil, expected: Double? = nil
    ) -> Finding {
        Finding(
            kind, tensor: subject.name, figure: figure ?? subject.scan.error,
            expected: expected ?? subject.scan.expected, "\(subject.name) \(words)",
            remedy: TensorDiagnosis.remedy)
    }

    private var notFinite: Finding? {
        found(
            .notFinite,
            "has values that are not finite, or nothing where the other has something, in row "
                + "\(subject.scan.worstRow.row)")
    }

    /// Whether an error that another reading leaves is what the encodings cost, and much less than before.
    private func explains(_ error: Double) -> Bool {
        error < TensorDiagnosis.factor * subject.scan.expected && error < 0.5 * subject.scan.error
    }
}

// Of the tensor as a whole.
extension TensorDiagnosis {
    /// Rows that stand for a whole tensor, evenly spread: of two tensors, eight rows are never alike by chance.
    private var sample: [Int] {
        let count = min(8, subject.base.rows)
        return (0..<count).map { $0 * subject.base.rows / count }
    }

    /// The kernel of patches with the colours in another order: columns are colours, then frames and pixels.
    private var channels: Finding? {
        let (rows, width) = (sample, subject.base.columns / 3)
        guard subject.role.hasSuffix("patch_embed"), subject.base.columns == 3 * width else { return nil }
        for order in [[2, 1, 0], [1, 0, 2], [0, 2, 1], [1, 2, 0], [2, 0, 1]] {
            var sums = PairSums()
            for row in rows {
                let values = subject.base.row(row)
                let moved = order.flatMap { values[$0 * width..<($0 + 1) * width] }
                sums += PairSums(moved, subject.other.row(row))
            }
            guard explains(sums.relativeError) else { continue }
            let names = order.map { ["red", "green", "blue"][$0] }.joined(separator: ", ")
            return found(.channelsSwapped, "has the base's colours in another order: \(names)")
        }
        return nil
    }

    /// Another tensor of the base in its place.
    private func exchanged(_ candidates: [StoredRows]) -> Finding? {
        let rows = sample
        var best: (name: String, error: Double)?
        for candidate in candidates {
            var sums = PairSums()
            for row in rows { sums += PairSums(candidate.row(row), subject.other.row(row)) }
            if sums.relativeError < best?.error ?? .infinity { best = (candidate.name, sums.relativeError) }
        }
        guard let best, explains(best.error) else { return nil }
        return found(.swappedWith, "holds what is \(best.name) in the base")
    }

    /// All of it times a constant.
    private var multiple: Finding? {
        let sums = subject.scan.sums
        guard sums.base > 0, sums.other > 0, subject.base.rows > 1 else { return nil }
        let left = max(0, 1 - sums.product * sums.product / (sums.base * sums.other)).squareRoot()
        guard explains(left) || left < 0.01, left < 0.5 * subject.scan.error else { return nil }
        return found(.rowScaled, "has all rows times \(TensorDiagnosis.short(sums.product / sums.base))")
    }

    /// A vector with the same values in another order.
    private var values: Finding? {
        guard subject.base.rows == 1, subject.base.columns > 2 else { return nil }
        let sorted = PairSums(subject.base.row(0).sorted(), subject.other.row(0).sorted())
        guard explains(sorted.relativeError) else { return nil }
        return found(.rowsPermuted, "has the base's values in another order")
    }
}

// Of some rows.
extension TensorDiagnosis {
    private var rows: Finding? {
        guard !subject.scan.strangeRows.isEmpty, subject.base.rows > 1 else { return nil }
        let matching = RowMatching(
            subject.base, subject.other, strange: subject.scan.strangeRows, expected: subject.scan.expected)
        guard matching.isComplete else { return nil }
        let strange = subject.scan.strangeRows
        let worst = subject.scan.worstRow.error
        let negated = matching.matches.filter(\.isNegated)
        if negated.count == matching.matches.count, negated.allSatisfy({ $0.row == $0.source }) {
            return found(.rowNegated, "has the other sign in \(TensorDiagnosis.list(strange))", figure: worst)
        }
        if let pair = experts(matching) {
            return found(
                .swappedWith, "has experts \(pair.0) and \(pair.1) in each other's place", figure: worst)
        }
        if strange.count == 2, negated.isEmpty, matching.matches.allSatisfy({ strange.contains($0.source) }) {
            return found(
                .rowsSwapped, "has rows \(strange[0]) and \(strange[1]) in each other's place", figure: worst)
        }
        let example = matching.matches[0]
        return found(
            .rowsPermuted,
            "has \(strange.count) of the base's \(subject.base.rows) rows in another order: row \(example.row) is "
                + "row \(example.source) of the base",
            figure: worst)
    }

    /// The experts that are exchanged, if every row that moved moved to the same place of another expert.
    private func experts(_ matching: RowMatching) -> (Int, Int)? {
        let height = subject.base.rows / subject.experts
        guard subject.experts > 1, height > 0, let first = matching.matches.first,
            matching.matches.allSatisfy({
                !$0.isNegated && $0.row % height == $0.source % height
                    && $0.row / height != $0.source / height
            })
        else { return nil }
        let pair = [first.row / height, first.source / height].sorted()
        return (pair[0], pair[1])
    }

    /// `row 3`, `rows 3, 5 and 7 more`.
    private static func list(_ rows: [Int]) -> String {
        guard rows.count > 1 else { return "row \(rows.first ?? 0)" }
        let shown = rows.prefix(3).map(String.init).joined(separator: ", ")
        return "rows \(shown)" + (rows.count > 3 ? " and \(rows.count - 3) more" : "")
    }
}

// Times a constant, and whatever else.
extension TensorDiagnosis {
    /// A row, or one group of it, times a constant.
    private var scaled: Finding? {
        for group in subject.scan.slopedGroups {
            let (a, b) = (subject.base.row(group.row), subject.other.row(group.row))
            guard let slope = group.slope, isBeyondRounding(a, b, group.columns, group.row) else { continue }
            let factor = TensorDiagnosis.short(slope)
            let more = subject.scan.slopedGroups.count - 1
            let others = more > 0 ? ", and \(more) more like it" : ""
            if let whole = rowFactor(a, b) {
                return found(
                    .rowScaled,
                    "has row \(group.row) times \(TensorDiagnosis.short(whole))\(others)", figure: group.error
                )
            }
            return found(
                .groupScaled,
                "has group \(group.index) of row \(group.row) (columns \(group.columns.lowerBound) to "
                    + "\(group.columns.upperBound - 1)) times \(factor)\(others)",
                figure: group.error)
        }
        return nil
    }

    /// Whether the error of some columns is far more than that of rounding this row: a weak group beside a strong one may lose all.
    private func isBeyondRounding(_ a: [Float], _ b: [Float], _ columns: Range<Int>, _ row: Int) -> Bool {
        func error(_ x: [Float], _ y: [Float]) -> Double {
            PairSums(Array(x[columns]), Array(y[columns])).difference
        }
        var cost = 0.0
        for (values, target) in [(a, subject.other), (b, subject.base)] where target.isCoded {
            let rounding = PlainRounding(encoding: target.encoding(ofRow: row))
            if let rounded = rounding(values, columns: values.count) { cost += error(values, rounded) }
        }
        return error(a, b) > 4 * cost
    }

    /// The constant by which a whole row is multiplied, if that explains it.
    private func rowFactor(_ a: [Float], _ b: [Float]) -> Double? {
        let sums = PairSums(a, b)
        guard sums.base > 0 else { return nil }
        let factor = sums.product / sums.base
        let left = PairSums(a.map { Float(Double($0) * factor) }, b).relativeError
        // A factor moves values off the grid that they were stored on: a rounding is no difference.
        let limit = max(TensorDiagnosis.factor * subject.scan.expected, 0.01)
        return left < limit && left < 0.5 * sums.relativeError ? factor : nil
    }

    /// Too far, in no way that is known.
    private var differing: Finding? {
        let scan = subject.scan
        let beyondFormat = scan.error > TensorDiagnosis.factor * scan.expected
        // A role that is off as a whole is said once.
        if beyondFormat,
            subject.others.count < 2 || scan.error > TensorDiagnosis.factor * subject.others.median
        {
            let few = scan.strangeRows.count * 4 <= subject.base.rows && !scan.strangeRows.isEmpty
            let rows = few ? ", in \(TensorDiagnosis.list(scan.strangeRows))" : ""
            let expected = max(scan.expected, subject.others.median)
            return found(
                .differs, "is " + TensorDiagnosis.distance(scan.error, expected) + rows, expected: expected)
        }
        let row = scan.worstRow.row
        let (a, b) = (subject.base.row(row), subject.other.row(row))
        guard !beyondFormat, scan.strangeRows.contains(row), isBeyondRounding(a, b, 0..<a.count, row) else {
            return nil
        }
        return found(
            .differs, "differs in \(TensorDiagnosis.list(scan.strangeRows)) more than its format explains",
            figure: scan.worstRow.error)
    }

    /// How far from the base something is, and how far it should be.
    static func distance(_ error: Double, _ expected: Double) -> String {
        expected < 1e-5
            ? "\(short(100 * error)) % away from the base, where its format costs nothing"
            : "\(short(error / expected)) times further from the base than its format and its kind explain"
    }

    /// A factor with at most two decimals.
    static func short(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e9 else { return "very many" }
        let hundredths = Int((abs(value) * 100).rounded())
        let sign = value < 0 ? "−" : ""
        let (whole, rest) = hundredths.quotientAndRemainder(dividingBy: 100)
        if rest == 0 || whole >= 100 { return "\(sign)\(whole)" }
        return "\(sign)\(whole)." + (rest % 10 == 0 ? "\(rest / 10)" : rest < 10 ? "0\(rest)" : "\(rest)")
    }
}
