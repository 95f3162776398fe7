import Glibc
public import Storage

/// Two models' answers to the same questions.
public struct AnswerComparison: Sendable {
    /// The model to measure against.
    public let base: AnswerCount
    /// The model that is measured.
    public let other: AnswerCount
    /// Questions that both answer right.
    public let bothRight: Int
    /// Questions that the base alone answers right.
    public let onlyBaseRight: Int
    /// Questions that the other alone answers right.
    public let onlyOtherRight: Int
    /// Questions whose answers are the same letter for letter.
    public let sameAnswers: Int
    /// The other's accuracy less the base's, as a share; its error is that of the differences question by question.
    public let difference: Estimate
    /// The places that the other's answers name beside those of the base's.
    public let places: PlaceAgreement

    /// - Throws: `mismatch` when the two did not answer the same questions.
    public init(_ base: AnswerCount, _ other: AnswerCount) throws(Failure) {
        guard !base.items.isEmpty, base.items.map(\.question) == other.items.map(\.question) else {
            throw Failure(.mismatch, "the two models did not answer the same questions")
        }
        self.base = base
        self.other = other
        let pairs = Array(zip(base.items, other.items))
        let rights = pairs.map { (base: $0.isRight, other: $1.isRight) }
        bothRight = rights.count { $0.base && $0.other }
        onlyBaseRight = rights.count { $0.base && !$0.other }
        onlyOtherRight = rights.count { !$0.base && $0.other }
        sameAnswers = pairs.count { $0.answer == $1.answer }
        difference = Estimate(meanOf: rights.map { ($0.other ? 1 : 0) - ($0.base ? 1 : 0) })
        places = pairs.reduce(into: PlaceAgreement()) {
            $0.add(expected: $1.0.places, found: $1.1.places, in: $1.0.picture)
        }
    }

    /// How likely so uneven a count of questions that one alone answers right is, were both equally good: McNemar's test, exact
    /// and two-sided.
    public var pValue: Double { AnswerComparison.mcNemar(onlyBaseRight, onlyOtherRight) }

    /// By how many percentage points fewer answers are right; negative where more are.
    public var accuracyDrop: Double {
        100 * Double(onlyBaseRight - onlyOtherRight) / Double(base.items.count)
    }

    /// That the accuracy drops by more than allowed; nil when it does not.
    /// - Parameter limit: in percentage points.
    public func drop(beyond limit: Double) -> Failure? {
        guard !(accuracyDrop <= limit) else { return nil }
        return Failure(
            .mismatch,
            "the accuracy drops from \(base.right) to \(other.right) of \(base.items.count) answers, "
                + "\((accuracyDrop * 100).rounded() / 100) percentage points, above --max-accuracy-drop \(limit)",
            file: other.model)
    }

    /// Twice the share of the 2ⁿ ways to spread n = a + b that have no more than the lesser of both on one side; 1 at most.
    static func mcNemar(_ a: Int, _ b: Int) -> Double {
        let (count, least) = (a + b, min(a, b))
        guard count > 0 else { return 1 }
        // ln of the number of ways to choose `least`, over 2ⁿ; the terms before it follow by their ratios.
        var logarithm = -Double(count) * log(2.0)
        for index in 0..<least { logarithm += log(Double(count - index) / Double(index + 1)) }
        var (term, sum) = (1.0, 1.0)
        for index in stride(from: least, to: 0, by: -1) {
            term *= Double(index) / Double(count - index + 1)
            sum += term
        }
        return min(1, 2 * exp(logarithm) * sum)
    }
}
