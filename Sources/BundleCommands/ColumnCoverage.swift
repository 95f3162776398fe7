import Calibration
import GraphIR
import Quantization
import Storage

/// What an imatrix has of the weights that a recipe searches codes for.
struct ColumnCoverage {
    private let matrix: ImportanceMatrix
    private let covered: Int
    private let missing: [String]
    /// `vision.mlp.up (blocks 0-31)`.
    private let missingRoles: [String]

    init(_ plan: QuantizationPlan, _ graph: ModelGraph, _ columns: ColumnStatistics) {
        matrix = columns.matrix
        let coverage = plan.coverage(by: columns.meanSquares.keys)
        (covered, missing) = (coverage.covered.count, coverage.missing)
        let names = Set(missing)
        var blocks: [String: [Int]] = [:]
        var roles: [String] = []
        for use in graph.uses where names.contains(use.weight) {
            let role = use.role.description
            if !roles.contains(role) { roles.append(role) }
            if let block = use.block { blocks[role, default: []].append(block) }
        }
        missingRoles = roles.map { role in
            BlockSet(blocks[role] ?? []).map { "\(role) (blocks \($0))" } ?? role
        }
    }

    /// For people.
    var text: String {
        var origin: [String] = []
        if let count = matrix.chunkCount, let size = matrix.chunkSize {
            origin.append("\(count) pieces of \(size) tokens")
        }
        if !matrix.datasets.isEmpty {
            origin.append("of " + matrix.datasets.map(Path.name).joined(separator: ", "))
        }
        let made = origin.isEmpty ? "" : " (\(origin.joined(separator: " ")))"
        let sum = "the imatrix\(made) covers \(covered) of \(covered + missing.count) searched weights"
        guard !missing.isEmpty else { return sum }
        return sum + "; not covered, so searched without: " + missingRoles.joined(separator: ", ")
    }

    /// For programs.
    var json: JSON {
        .pairs(["covered": .int(covered), "not_covered": .array(missing.map(JSON.string))])
    }
}
