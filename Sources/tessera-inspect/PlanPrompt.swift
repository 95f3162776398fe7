import ArgumentParser
import Bundles
import CommandSupport
import Prompts
import Runtime
import Storage
import Tessera
import Threads

/// `tessera-inspect plan`.
struct PlanPrompt: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Say what pictures and a context will take, before anything is run.")

    @Argument(help: "The bundle.")
    var model: String

    @Option(help: "A picture's size (1280x960) or its file; repeat for more.")
    var image: [String] = []

    @Option(help: "A video's size and sampled frames (1280x720x32); repeat for more.")
    var video: [String] = []

    @Option(
        name: [.short, .customLong("ctx"), .customLong("ctx-size")], help: "Tokens of the whole conversation."
    )
    var context: Int = 4096

    @Option(name: [.short, .long], help: "Threads to plan for.")
    var threads: Int = ThreadPool.processors

    @Flag(help: "Report as JSON.")
    var json = false

    mutating func validate() throws {
        guard context > 0, threads > 0 else { throw ValidationError("--ctx and --threads must be above 0") }
    }

    mutating func execute() throws(Failure) {
        let model = try Model(model, .init(threads: threads))
        var plans: [ImagePlan] = []
        for argument in image { plans.append(try plan(argument, model)) }
        for argument in video {
            let sides = try PlanPrompt.sides(argument, count: 3)
            plans.append(
                try model.prompt.images.plan(ImageSize(width: sides[0], height: sides[1]), frames: sides[2]))
        }
        let tokens = plans.reduce(0) { $0 + $1.tokens }
        let largest = plans.max { $0.patches < $1.patches }
        let memory = try model.engine.estimateMemory(
            capacity: context, patches: largest?.patches ?? 0, segments: largest?.grid.t ?? 1,
            mapped: model.bundle.file.bytes.count)
        if json {
            Console.print(report(model, plans, tokens, memory).serialized(pretty: true))
        } else {
            printReport(model, plans, tokens, memory)
        }
        guard tokens < context else {
            throw Failure(
                .limit, "the pictures take \(tokens) of \(context) tokens, which leaves none for text",
                file: self.model, remedy: "plan for --ctx \(tokens + 1024), or for smaller pictures")
        }
    }

    private func plan(_ argument: String, _ model: Model) throws(Failure) -> ImagePlan {
        guard !Path.exists(argument) else {
            return try model.prompt.images.plan(
                model.decoder.size(file: argument, model.prompt.images.reading))
        }
        let sides = try PlanPrompt.sides(argument, count: 2)
        return try model.prompt.images.plan(ImageSize(width: sides[0], height: sides[1]))
    }

    private static func sides(_ text: String, count: Int) throws(Failure) -> [Int] {
        guard let sides = PixelSize.numbers(text, count: count) else {
            throw Failure(
                .usage,
                "'\(text)' is neither a file nor of the form \(count == 2 ? "1280x960" : "1280x720x32")")
        }
        return sides
    }

    private func printReport(_ model: Model, _ plans: [ImagePlan], _ tokens: Int, _ memory: MemoryEstimate) {
        if !plans.isEmpty {
            var table = Table("given", "resized", "grid", "patches", "tokens")
            for plan in plans {
                table.add(
                    "\(plan.size.width)x\(plan.size.height)", "\(plan.resized.width)x\(plan.resized.height)",
                    "\(plan.grid.t)x\(plan.grid.h)x\(plan.grid.w)", "\(plan.patches)", "\(plan.tokens)")
            }
            Console.print(table.text)
        }
        Console.print("places       in \(model.prompt.coordinates.explanation)")
        Console.print(
            "context      \(context) tokens, \(tokens) for pictures; the model was made for \(model.contextLimit)"
        )
        Console.print("weights      \(ByteCount.text(memory.mapped)) mapped")
        Console.print("cache        \(ByteCount.text(memory.cache))")
        Console.print("activations  \(ByteCount.text(memory.arena))")
        Console.print("rows         \(ByteCount.text(memory.rows))")
        Console.print("memory       \(ByteCount.text(memory.anonymous)) beside the weights")
    }

    private func report(
        _ model: Model, _ plans: [ImagePlan], _ tokens: Int, _ memory: MemoryEstimate
    ) -> JSON {
        let pictures = plans.map { plan in
            JSON.pairs([
                "width": .int(plan.size.width), "height": .int(plan.size.height),
                "resized_width": .int(plan.resized.width), "resized_height": .int(plan.resized.height),
                "grid": .array([.int(plan.grid.t), .int(plan.grid.h), .int(plan.grid.w)]),
                "patches": .int(plan.patches), "tokens": .int(plan.tokens),
            ])
        }
        return .pairs([
            "pictures": .array(pictures), "picture_tokens": .int(tokens), "context": .int(context),
            "context_limit": .int(model.contextLimit),
            "coordinates": .string(model.prompt.coordinates.rawValue),
            "mapped_bytes": .int(memory.mapped), "cache_bytes": .int(memory.cache),
            "activation_bytes": .int(memory.arena), "row_bytes": .int(memory.rows),
            "memory_bytes": .int(memory.anonymous),
        ])
    }
}
