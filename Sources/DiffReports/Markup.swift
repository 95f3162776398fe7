import Storage

/// HTML or XML. What is written in this program stands as it is; what is put into it is text, and escaped.
///
/// Attributes are written in double quotes, so one way of escaping serves everywhere. Nothing that was read may stand in a
/// script, a style or an address.
struct Markup: ExpressibleByStringInterpolation {
    /// The markup.
    private(set) var text: String

    init(stringLiteral value: String) { text = value }

    init(stringInterpolation: Interpolation) { text = stringInterpolation.text }

    /// Markup that is made elsewhere in this program: a style sheet, a script.
    init(trusted text: String) { self.text = text }

    /// All parts, one after the other.
    init(_ parts: some Sequence<Markup>) {
        text = ""
        for part in parts { text += part.text }
    }

    static func += (markup: inout Markup, more: Markup) { markup.text += more.text }

    /// What collects a literal's parts.
    struct Interpolation: StringInterpolationProtocol {
        fileprivate var text = ""

        init(literalCapacity: Int, interpolationCount: Int) {
            text.reserveCapacity(literalCapacity + 16 * interpolationCount)
        }

        mutating func appendLiteral(_ literal: String) { text += literal }

        /// Text, which is escaped. Of literals, markup is made where both could be: what is put into those is escaped in turn.
        @_disfavoredOverload
        mutating func appendInterpolation(_ value: String) { Markup.escape(value, into: &text) }

        mutating func appendInterpolation(_ value: Int) { text += "\(value)" }

        /// A coordinate.
        mutating func appendInterpolation(_ value: Double) { text += fixed(value.isFinite ? value : 0, 2) }

        mutating func appendInterpolation(_ markup: Markup) { text += markup.text }

        mutating func appendInterpolation(_ parts: some Sequence<Markup>) {
            for part in parts { text += part.text }
        }
    }

    private static func escape(_ value: String, into text: inout String) {
        for scalar in value.unicodeScalars {
            switch scalar {
            case "&": text += "&amp;"
            case "<": text += "&lt;"
            case ">": text += "&gt;"
            case "\"": text += "&quot;"
            case "'": text += "&#39;"
            default: if isAllowed(scalar) { text.unicodeScalars.append(scalar) }
            }
        }
    }

    /// Control characters are in neither language, but for tabs and ends of lines; nor are the two that are no characters.
    /// Orders to write in the other direction would reach beyond the text that they are in.
    static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09, 0x0a: true
        case 0..<0x20, 0x7f..<0xa0, 0x202a...0x202e, 0x2066...0x2069, 0xfffe, 0xffff: false
        default: true
        }
    }
}
