import Checkpoints
import Storage

extension NameTable {
    /// The weights as they are published: norms that multiply by 1 + w are w.
    func published(_ stored: StoredWeights) -> [StoredWeight] {
        guard stored.hasWholeNorms else { return stored.weights }
        return stored.weights.map { weight in
            let shift = shift(of: weight)
            return shift == 0 ? weight : StoredWeight(weight, plus: -shift)
        }
    }

    /// What is added to the numbers of a weight; 0 for most.
    fileprivate func shift(of weight: StoredWeight) -> Float { sources(of: weight.name).first?.shift ?? 0 }
}

/// What the norms that are published as w, and multiply by 1 + w, multiply by: a copy that holds one for the other shows in it.
struct NormFactors {
    private let factors: [Float]

    /// - Throws: `badInput` when a norm holds no floats.
    init(_ weights: [StoredWeight], _ table: NameTable) throws(Failure) {
        var factors: [Float] = []
        for weight in weights where weight.shape.rank == 1 {
            let shift = table.shift(of: weight)
            if shift != 0 { factors += try StoredWeight(weight, plus: shift).floats() ?? [] }
        }
        self.factors = factors
    }

    private func share(_ isCounted: (Float) -> Bool) -> Double {
        Double(factors.count { isCounted($0) }) / Double(max(1, factors.count))
    }

    /// Refuses factors that no model has, and doubts those that lie about 2.
    /// - Parameter areWhole: whether norms were said to hold 1 + w.
    /// - Returns: what the user should know.
    /// - Throws: `badInput` when many are negative: then 1 is missing.
    func check(areWhole: Bool, in origin: String) throws(Failure) -> [String] {
        let negative = share { $0 < 0 }
        guard negative < 0.25 else {
            let said =
                areWhole
                ? "is a copy in which norms should hold 1 + w, but they hold what lies about 0, as w does"
                : "has norms that are published as w and multiply by 1 + w, but lie far below 0"
            throw .badInput(
                "\(said): \(Int(100 * negative)) of 100 factors would be negative", file: origin,
                remedy: "convert the published checkpoint instead")
        }
        // As a rule only copies have nearly all about 1, but a model may.
        guard !areWhole, !factors.isEmpty, share({ (1.5...2.5).contains($0) }) > 0.95 else { return [] }
        return [
            "norms are read as w of 1 + w, as published, but hold what lies about 1, as 1 + w does: if another tool added 1 to them, "
                + "answers are wrong"
        ]
    }
}
