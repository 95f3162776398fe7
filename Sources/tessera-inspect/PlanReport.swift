import CommandSupport
import Prompts
import Runtime
import Storage
import Tessera

/// What a prompt will take.
struct PlanReport {
    /// A picture or a video.
    struct Entry {
        let plan: ImagePlan
        /// Of a video: its tokens by the checkpoint's own limits alone.
        var unboundedTokens: Int?
    }

    let model: Model
    let plans: [Entry]
    /// Nil for a model without a tokenizer.
    let prompt: PreparedPrompt?
    let context: Int
    let memory: MemoryEstimate

    private var pictureTokens: Int { plans.reduce(0) { $0 + $1.plan.tokens } }

    /// Tokens that are evaluated before the answer.
    var tokens: Int { prompt?.tokens.count ?? pictureTokens }

    var text: String {
        var lines: [String] = []
        if !plans.isEmpty {
            var table = Table("given", "resized", "grid", "patches", "tokens")
            for plan in plans.map(\.plan) {
                table.add(
                    "\(plan.size.width)x\(plan.size.height)", "\(plan.resized.width)x\(plan.resized.height)",
                    "\(plan.grid.t)x\(plan.grid.h)x\(plan.grid.w)", "\(plan.patches)", "\(plan.tokens)")
            }
            lines.append(table.text)
            for case let (plan, tokens?) in plans.map({ ($0.plan, $0.unboundedTokens) })
            where tokens != plan.tokens {
                lines.append(
                    "bound        \(plan.tokens) tokens of a video; by the checkpoint's own limits \(tokens) (--max-pixels none)"
                )
            }
        }
        let whole = prompt.map { "prompt       \($0.tokens.count) tokens, " } ?? "prompt       "
        return
            (lines + [
                whole + "\(pictureTokens) of them for pictures",
                "places       in \(model.prompt.coordinates.explanation)",
                "context      \(context) tokens; the model was made for \(model.contextLimit)",
                "weights      \(ByteCount.text(memory.mapped)) mapped",
                "cache        \(ByteCount.text(memory.cache))",
                "activations  \(ByteCount.text(memory.arena))",
                "rows         \(ByteCount.text(memory.rows))",
                "memory       \(ByteCount.text(memory.anonymous)) beside the weights",
            ]).joined(separator: "\n")
    }

    var json: JSON {
        let pictures = plans.map { entry in
            let plan = entry.plan
            let report = JSON.pairs([
                "width": .int(plan.size.width), "height": .int(plan.size.height),
                "resized_width": .int(plan.resized.width), "resized_height": .int(plan.resized.height),
                "grid": .array([.int(plan.grid.t), .int(plan.grid.h), .int(plan.grid.w)]),
                "patches": .int(plan.patches), "tokens": .int(plan.tokens),
            ])
            return entry.unboundedTokens.map { report.setting("unbounded_tokens", to: .int($0)) } ?? report
        }
        return .pairs([
            "pictures": .array(pictures), "picture_tokens": .int(pictureTokens),
            "prompt_tokens": prompt.map { .int($0.tokens.count) } ?? .null,
            "next_position": prompt.map { .int(Int($0.positions.next)) } ?? .null,
            "context": .int(context), "context_limit": .int(model.contextLimit),
            "coordinates": .string(model.prompt.coordinates.rawValue),
            "mapped_bytes": .int(memory.mapped), "cache_bytes": .int(memory.cache),
            "activation_bytes": .int(memory.arena), "row_bytes": .int(memory.rows),
            "memory_bytes": .int(memory.anonymous),
        ])
    }
}
