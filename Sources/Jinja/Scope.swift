/// The variables of a piece of a template. What is not found here is looked for around it.
final class Scope {
    private var values: [Int: Value]
    private let outer: Scope?

    /// The outermost scope.
    init(_ values: [Int: Value]) {
        self.values = values
        outer = nil
    }

    init(in outer: Scope) {
        values = [:]
        self.outer = outer
    }

    func find(_ name: Int) -> Value? {
        var scope: Scope? = self
        while let current = scope {
            if let value = current.values[name] { return value }
            scope = current.outer
        }
        return nil
    }

    func set(_ name: Int, _ value: Value) { values[name] = value }
}
