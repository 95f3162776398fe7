import Runtime
import Storage
import Tessera

/// Finds the stage of a run in which the first value that is not finite comes.
struct FirstNonFinite {
    /// Its name: `text.block.3.mlp`, `logits`.
    let stage: String
    /// The row of the stage, which is that of a token.
    let row: Int

    /// Runs a window of text once more and looks at every stage; nil when all are finite.
    init?(_ model: Model, _ tokens: [Int32]) throws(Failure) {
        var found: (stage: String, row: Int)?
        var seen: [String: Int] = [:]
        let context = try TextContext(model.engine, capacity: tokens.count)
        let hidden = try context.evaluate(context.text(tokens, from: 0), wanted: .all) {
            (name, values, columns) in
            let start = seen[name, default: 0]
            seen[name] = start + values.count / max(1, columns)
            guard found == nil, let index = values.firstIndex(where: { !$0.isFinite }) else { return }
            found = ("text.\(name)", start + index / max(1, columns))
        }
        if found == nil {
            for row in 0..<hidden.count where found == nil {
                let range = row * hidden.columns..<(row + 1) * hidden.columns
                let logits = try model.engine.logits(
                    Engine.Rows(values: Array(hidden.values[range]), columns: hidden.columns))
                if !logits.values.allSatisfy(\.isFinite) { found = ("logits", row) }
            }
        }
        guard let found else { return nil }
        (stage, row) = found
    }
}
