import Jinja
import Storage

/// The text that a template makes.
func render(
    _ source: String, _ globals: [String: Value] = [:], limits: Limits = .standard
) throws(Failure) -> String {
    try Template(source, limits: limits).render(globals).text
}

/// What a template fails with; nil where it does not.
func failure(
    _ source: String, _ globals: [String: Value] = [:], limits: Limits = .standard
) -> Failure? {
    do throws(Failure) {
        _ = try render(source, globals, limits: limits)
        return nil
    } catch {
        return error
    }
}

/// A text that somebody typed.
func typed(_ text: String, _ origin: Int = 1) -> Value { Value(json: .string(text), origin: origin) }
