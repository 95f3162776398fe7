public import Storage

/// A chat template in the language Jinja, as `apply_chat_template` of transformers reads it.
///
/// That is Jinja 3.1 in its immutable sandbox, with `trim_blocks` and `lstrip_blocks`, `break` and `continue`, the tag
/// `generation`, the functions `raise_exception` and `strftime_now`, and a `tojson` that does not escape for HTML.
public struct Template: Sendable {
    /// The text it was made of.
    public let source: String
    let statements: [Statement]
    let names: [String]
    let limits: Limits

    /// Parses a template.
    /// - Throws: `badInput` with the line where the text is no template, `limit` where it is too long or nested too deep.
    public init(_ source: String, limits: Limits = .standard) throws(Failure) {
        self.source = source
        self.limits = limits
        (statements, names) = try Parser.parse(source, limits: limits)
    }

    /// The text that the template makes of these variables.
    /// - Throws: `badInput` with the line where Jinja would raise an error, or with the template's own words where it
    ///   calls `raise_exception`; `limit` where it uses up more than it may.
    public func render(_ globals: [String: Value]) throws(Failure) -> MarkedText {
        try render(globals, at: .now)
    }

    func render(_ globals: [String: Value], at clock: Clock) throws(Failure) -> MarkedText {
        try Interpreter(self, globals, clock).run()
    }
}
