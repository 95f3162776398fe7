import Glibc
import Storage

/// Numbers as people read them.
enum Words {
    /// What stands where there is no number.
    static let none = "–"

    /// A measure with about three digits.
    static func figure(_ value: Double?) -> String {
        guard let value else { return none }
        if value.isNaN { return "not a number" }
        if value.isInfinite { return value > 0 ? "infinite" : "-infinite" }
        if value == 0 { return "0" }
        // Limits are whole numbers as often as not.
        if let whole = Int(exactly: value), whole.magnitude < 1_000_000 { return "\(whole)" }
        return withoutZeros(abs(value) >= 1e15 ? "\(value)" : significant(value))
    }

    /// The zeros behind a decimal point that say nothing are left out: `0.03`, `1e-6`.
    private static func withoutZeros(_ text: String) -> String {
        let parts = text.split(separator: "e", maxSplits: 1)
        guard let digits = parts.first, digits.contains(".") else { return text }
        var kept = digits
        while kept.last == "0" { kept.removeLast() }
        if kept.last == "." { kept.removeLast() }
        return ([kept] + parts.dropFirst()).joined(separator: "e")
    }

    /// A measure and its standard error, to two digits of the error.
    static func figure(_ value: Double?, error: Double?) -> String {
        guard let value, let error else { return figure(value) }
        guard value.isFinite, error.isFinite, error > 0, error < 1e6 else {
            return "\(figure(value)) ± \(figure(error))"
        }
        let decimals = max(0, 1 - Int(log10(error).rounded(.down)))
        guard decimals <= 9 else { return "\(figure(value)) ± \(figure(error))" }
        return "\(fixed(value, decimals)) ± \(fixed(error, decimals))"
    }

    /// A share as `97.45 %`, which no line breaks.
    static func percent(_ value: Double?, _ decimals: Int = 2) -> String {
        guard let value, value.isFinite else { return figure(value) }
        return "\(fixed(100 * value, decimals))\u{a0}%"
    }

    /// A number with so many decimals, and its unit.
    static func fixed(_ value: Double?, _ decimals: Int, unit: String = "") -> String {
        guard let value, value.isFinite else { return figure(value) }
        return Storage.fixed(value, decimals) + unit
    }

    /// A signal to noise ratio in dB; infinite is exact.
    static func decibels(_ value: Double?) -> String {
        value == .infinity ? "exact" : fixed(value, 1)
    }

    /// A whole number, its digits in groups of three.
    static func count(_ value: Int?) -> String {
        guard let value else { return none }
        let digits = Array("\(value.magnitude)")
        var text = value < 0 ? "-" : ""
        for (place, digit) in digits.enumerated() {
            // A narrow space at which no line breaks.
            if place > 0, (digits.count - place) % 3 == 0 { text += "\u{202f}" }
            text.append(digit)
        }
        return text
    }

    static func bytes(_ value: Int?) -> String { value.map { ByteCount.text($0) } ?? none }

    /// `1 row`, `3 rows`.
    static func number(_ count: Int, _ noun: String) -> String {
        "\(Words.count(count)) \(noun)\(count == 1 ? "" : "s")"
    }

    /// The beginning of a long text.
    static func clipped(_ text: String, _ limit: Int) -> String {
        let start = text.prefix(limit)
        return start.endIndex == text.endIndex ? text : start + "…"
    }
}
