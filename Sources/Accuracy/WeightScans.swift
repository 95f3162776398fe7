import Bundles
import GroupFormats
import Storage
import Threads

/// All weights of two bundles, scanned, and what is out of line among them.
struct WeightScans {
    private struct Pair {
        let base: TensorEntry
        let other: TensorEntry
        /// Nil where both are the same bit by bit.
        let scan: TensorScan?
    }

    private let bundles: (base: Bundle, other: Bundle)
    private let roles: WeightRoles
    private var pairs: [Pair] = []
    private(set) var differences: [TensorDifference] = []
    /// By role, the errors of its weights.
    private var byRole: [String: [(index: Int, error: Double)]] = [:]

    /// Tensors that are looked into, the furthest away first: two models that have nothing in common need not be explained weight
    /// by weight.
    private static let most = 96

    init(
        _ base: Bundle, _ other: Bundle, _ roles: WeightRoles, _ pool: ThreadPool, isRewritten: Bool,
        _ progress: (Int, Int) throws(Failure) -> Void
    ) throws(Failure) {
        bundles = (base, other)
        self.roles = roles
        let shared = base.tensors.compactMap { tensor in
            other[tensor.name].flatMap { $0.shape == tensor.shape ? (tensor, $0) : nil }
        }
        for (index, (first, second)) in shared.enumerated() {
            try progress(index, shared.count)
            let isSame = first.encoding == second.encoding && first.digest == second.digest
            var scan: TensorScan?
            if !isSame {
                scan = TensorScan(try StoredRows(first, of: base), try StoredRows(second, of: other), pool)
            }
            pairs.append(Pair(base: first, other: second, scan: scan))
            let role = roles.role(of: first.name)
            differences.append(
                TensorDifference(
                    first, second, scan, role: role, isRewritten: isRewritten && first.note != second.note))
        }
    }

    /// Gives each weight the median of the others of its role.
    mutating func setMedians() {
        for (index, difference) in differences.enumerated() where !difference.isRewritten {
            byRole[difference.role, default: []].append((index, difference.error))
        }
        for index in differences.indices {
            let others = self.others(of: index)
            differences[index].roleMedian = others.isEmpty ? differences[index].error : Median.of(others)
        }
    }

    private func others(of index: Int) -> [Double] {
        (byRole[differences[index].role] ?? []).filter { $0.index != index }.map(\.error)
    }

    /// What is out of line.
    var findings: [Finding] {
        get throws(Failure) {
            var findings: [Finding] = []
            for index in suspects {
                guard let finding = try finding(index) else { continue }
                // Of two that took each other's place, one is named.
                let isTwin = findings.contains { $0.kind == .swappedWith && finding.mirrors($0) }
                if !isTwin { findings.append(finding) }
            }
            let explained = Set(findings.filter { $0.kind != .differs }.compactMap(\.tensor))
            if let training = otherTraining(explained) {
                return findings.filter { $0.kind != .differs } + [training]
            }
            return findings + wideRoles(explained: Set(findings.compactMap(\.tensor)))
        }
    }

    /// The numbers of weights that are too far away, as a whole or somewhere, the furthest first.
    private var suspects: [Int] {
        let excess = pairs.map { pair in
            pair.scan.map { $0.error / $0.expected } ?? 0
        }
        let suspects = pairs.indices.filter { index in
            guard let scan = pairs[index].scan, !differences[index].isRewritten else { return false }
            return excess[index] > TensorDiagnosis.factor || !excess[index].isFinite
                || !scan.strangeRows.isEmpty
                || !scan.slopedGroups.isEmpty
        }
        return Array(suspects.sorted { excess[$0] > excess[$1] }.prefix(WeightScans.most))
    }

    private func finding(_ index: Int) throws(Failure) -> Finding? {
        let pair = pairs[index]
        guard let scan = pair.scan else { return nil }
        let others = self.others(of: index)
        let diagnosis = TensorDiagnosis(
            subject: .init(
                name: pair.base.name, role: differences[index].role,
                experts: roles.experts(of: pair.base.name),
                base: try StoredRows(pair.base, of: bundles.base),
                other: try StoredRows(pair.other, of: bundles.other), scan: scan,
                others: (Median.of(others), others.count)))
        return diagnosis.finding(try candidates(for: pair.base))
    }

    /// Other tensors of the base that might be in its place: of its shape, in the same half of the model, and out of line or not.
    private func candidates(for tensor: TensorEntry) throws(Failure) -> [StoredRows] {
        let half = tensor.name.prefix { $0 != "." }
        var rows: [StoredRows] = []
        for pair in pairs
        where pair.base.name != tensor.name && pair.base.shape == tensor.shape
            && pair.base.name.prefix(while: { $0 != "." }) == half
        {
            rows.append(try StoredRows(pair.base, of: bundles.base))
        }
        return rows
    }

    /// Roles that are off as a whole; one finding where most of the model is.
    private func wideRoles(explained: Set<String>) -> [Finding] {
        var wide: [(role: String, error: Double, expected: Double, count: Int)] = []
        for (role, members) in byRole {
            let open = members.map(\.index).filter { !explained.contains(differences[$0].name) }
            let error = Median.of(open.map { differences[$0].error })
            let expected = Median.of(open.map { differences[$0].expected })
            if open.count > 1, error > TensorDiagnosis.factor * expected {
                wide.append((role, error, expected, open.count))
            }
        }
        wide.sort { ($1.error, $0.role) < ($0.error, $1.role) }
        return wide.map { role in
            Finding(
                .encodingWorseThanExpected, stage: role.role, figure: role.error, expected: role.expected,
                "\(role.role), by the median of its \(role.count) weights, is "
                    + TensorDiagnosis.distance(role.error, role.expected),
                remedy: "look at how these were quantized: the calibration set, the solver, clipping")
        }
    }

    /// What to say where most weights are too far away, and no pattern explains them.
    private func otherTraining(_ explained: Set<String>) -> Finding? {
        let far = differences.filter {
            !$0.isRewritten && !explained.contains($0.name)
                && $0.error > TensorDiagnosis.factor * max($0.expected, ExpectedError.least)
        }
        // By values: norms and biases are many and small, and often left as they are.
        let values = [far, differences].map { $0.reduce(0) { $0 + $1.shape.count } }
        guard far.count > 1, values[0] > values[1] / 2 else { return nil }
        return Finding(
            .differs, figure: Median.of(far.map(\.error)), expected: Median.of(far.map(\.expected)),
            "\(far.count) of \(differences.count) weights are further from the base than any format explains: these are "
                + "weights of another training",
            remedy: "compare bundles of one checkpoint")
    }
}

extension Finding {
    /// Whether another says the same from the other side.
    fileprivate func mirrors(_ other: Finding) -> Bool {
        guard let tensor, let twin = other.tensor else { return false }
        return kind == other.kind && words.contains(" \(twin) ") && other.words.contains(" \(tensor) ")
    }
}

extension TensorDifference {
    /// Of a scan; nil for tensors that are the same bit by bit.
    fileprivate init(
        _ base: TensorEntry, _ other: TensorEntry, _ scan: TensorScan?, role: String, isRewritten: Bool
    ) {
        self.init(
            name: base.name, role: role, shape: base.shape, encodings: (base.encoding, other.encoding),
            bytes: (base.byteCount, other.byteCount), error: scan?.error ?? 0,
            cosine: scan.map { $0.error.isFinite ? $0.sums.cosine : .nan } ?? 1,
            worstRow: scan.map { Place(row: $0.worstRow.row, group: nil, error: $0.worstRow.error) },
            worstGroup: scan?.worstGroup.map { Place(row: $0.row, group: $0.index, error: $0.error) },
            expected: scan?.expected ?? 0, roleMedian: 0, isRewritten: isRewritten)
    }
}
