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
        return abs(value) >= 1e15 ? "\(value)" : significant(value)
    }

    /// A measure and its standard error.
    static func figure(_ value: Double?, error: Double?) -> String {
        guard let error, value != nil else { return figure(value) }
        return "\(figure(value)) ± \(figure(error))"
    }

    /// A share as `97.45 %`.
    static func percent(_ value: Double?, _ decimals: Int = 2) -> String {
        guard let value, value.isFinite else { return figure(value) }
        return "\(fixed(100 * value, decimals)) %"
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
