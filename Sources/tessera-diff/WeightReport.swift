import Accuracy
import CommandSupport
import GroupFormats
import Storage

/// Weights side by side, as text on stdout or as a document.
struct WeightReport {
    private let comparison: WeightComparison

    init(_ comparison: WeightComparison) { self.comparison = comparison }

    /// What each role costs, and each weight where all are wanted.
    func print(allTensors: Bool) {
        Console.print("\n" + roles)
        if allTensors { Console.print("\n" + tensors) }
    }

    /// Findings as lines.
    static func text(_ findings: [Finding]) -> String {
        findings.map { finding in
            let figure = finding.figure.map { figure in
                " [\(significant(figure))" + (finding.expected.map { ", expected \(significant($0))" } ?? "")
                    + "]"
            }
            return "\(finding.kind.rawValue): \(finding.words)\(figure ?? "")\n    \(finding.remedy)"
        }.joined(separator: "\n")
    }

    /// Weights in the order of the first of each role.
    private var roles: String {
        var table = Table("role", "weights", "base", "other", "bytes", "median error", "expected", "largest")
        for (role, members) in grouped {
            table.add(
                role, "\(members.count)", WeightReport.encodings(members.map(\.encodings.base)),
                WeightReport.encodings(members.map(\.encodings.other)),
                ByteCount.text(members.reduce(0) { $0 + $1.bytes.other }),
                WeightReport.percent(WeightReport.middle(members.map(\.error))),
                WeightReport.percent(WeightReport.middle(members.map(\.expected))),
                WeightReport.percent(members.map(\.error).max() ?? 0))
        }
        return table.text
    }

    private var grouped: [(role: String, members: [TensorDifference])] {
        var members: [String: [TensorDifference]] = [:]
        var order: [String] = []
        for tensor in comparison.tensors {
            if members[tensor.role] == nil { order.append(tensor.role) }
            members[tensor.role, default: []].append(tensor)
        }
        return order.map { ($0, members[$0] ?? []) }
    }

    private var tensors: String {
        var table = Table(
            "weight", "base", "other", "error", "expected", "cosine", "worst row", "its error", "worst group",
            "its error")
        for tensor in comparison.tensors {
            table.add(
                tensor.name + (tensor.isRewritten ? " (changed by the recipe)" : ""),
                "\(tensor.encodings.base)",
                "\(tensor.encodings.other)", WeightReport.percent(tensor.error),
                WeightReport.percent(tensor.expected), fixed(tensor.cosine, 6),
                tensor.worstRow.map { "\($0.row)" } ?? "", WeightReport.percent(tensor.worstRow?.error),
                tensor.worstGroup.map { "\($0.row):\($0.group ?? 0)" } ?? "",
                WeightReport.percent(tensor.worstGroup?.error))
        }
        return table.text
    }

    /// The encodings of several weights: `int4-g32`, or `int4-g32 +2` for that and two others.
    private static func encodings(_ all: [TensorEncoding]) -> String {
        let names = Set(all.map(\.description)).sorted()
        return (names.first ?? "") + (names.count > 1 ? " +\(names.count - 1)" : "")
    }

    private static func middle(_ values: [Double]) -> Double {
        values.isEmpty ? 0 : values.sorted()[(values.count - 1) / 2]
    }

    private static func percent(_ value: Double?) -> String {
        guard let value else { return "" }
        return value == 0 ? "0" : "\(significant(100 * value)) %"
    }
}

extension WeightReport {
    /// As `formats/diff.md` says.
    var document: JSON {
        .pairs([
            "verdict": .string(comparison.verdict),
            "findings": .array(comparison.findings.map(\.json)),
            "tensors": .array(comparison.tensors.map(\.json)),
        ])
    }
}

extension Finding {
    var json: JSON {
        .pairs([
            "kind": .string(kind.rawValue), "tensor": tensor.map(JSON.string) ?? .null,
            "stage": stage.map(JSON.string) ?? .null, "figure": figure.map(JSON.measure) ?? .null,
            "expected": expected.map(JSON.measure) ?? .null, "words": .string(words),
            "remedy": .string(remedy),
        ])
    }
}

extension TensorDifference {
    var json: JSON {
        .pairs([
            "name": .string(name), "role": .string(role), "shape": .array(shape.extents.map(JSON.int)),
            "base_encoding": .string(encodings.base.description),
            "other_encoding": .string(encodings.other.description), "base_bytes": .int(bytes.base),
            "other_bytes": .int(bytes.other), "error": .measure(error), "expected": .measure(expected),
            "role_median": .measure(roleMedian), "cosine": .measure(cosine),
            "worst_row": worstRow?.json ?? .null, "worst_group": worstGroup?.json ?? .null,
            "rewritten": .bool(isRewritten),
        ])
    }
}

extension TensorDifference.Place {
    var json: JSON {
        var members: [JSON.Member] = [.init("row", .int(row))]
        if let group { members.append(.init("group", .int(group))) }
        return .object(members + [.init("error", .measure(error))])
    }
}
