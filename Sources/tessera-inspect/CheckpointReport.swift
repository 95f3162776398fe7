import BundleCommands
import Checkpoints
import CommandSupport
import Generations
import Prompts
import Storage

/// What a checkpoint's folder is, for people and for programs.
struct CheckpointReport {
    private let survey: CheckpointSurvey
    private let sizes: [RecipeSize]
    private let refusal: Failure?

    init(_ survey: CheckpointSurvey, _ sizes: [RecipeSize], _ refusal: Failure?) {
        self.survey = survey
        self.sizes = sizes
        self.refusal = refusal
    }

    private var warnings: [String] {
        (survey.model?.warnings ?? survey.checkpoint?.warnings ?? []) + survey.problems.map { "\($0)" }
    }

    private var kind: String {
        survey.model?.plan.generation ?? survey.config?["model_type"]?.string ?? "unknown"
    }

    var text: String {
        var lines = ["\(survey.directory): \(kind)"]
        func add(_ label: String, _ value: String?) {
            let padding = String(repeating: " ", count: max(1, 13 - label.count))
            if let value, !value.isEmpty { lines.append(label + padding + value) }
        }
        func list(_ names: [String]?) -> String? { names?.joined(separator: ", ") }
        add("architecture", list(survey.config?["architectures"]?.strings))
        add("parameters", survey.model.map { "\($0.plan.parameterCount)" })
        add("context", survey.model.map { "\($0.plan.contextLimit) tokens" })
        add("weights", weights)
        add("types", list(survey.types.map { "\($0.name) \($0.count)" }))
        add("quantization", survey.quantization ?? (survey.checkpoint == nil ? nil : "none"))
        for set in survey.files?.sets ?? [] { add("set", describe(set)) }
        add("adapter", list(survey.files?.adapters))
        add("adapter of", survey.files?.adapters.isEmpty == false ? survey.files?.base : nil)
        add("training", list(survey.files?.leftovers))
        add("unfinished", list(survey.files?.unfinished))
        add("others'", list(survey.files?.foreign))
        add("tokenizer", tokenizer)
        add("processors", survey.processorFiles.isEmpty ? "no files" : list(survey.processorFiles))
        add("template", survey.templateFile ?? "none")
        add("coverage", survey.model?.plan.ledger.summary)
        add("settings", survey.model?.settings.summary)
        for item in survey.model?.plan.ledger.unused ?? [] { add("unused", "\(item.name): \(item.reason)") }
        for warning in warnings { add("warning", warning) }
        add("refused", refusal.map { "\($0)" })
        guard refusal == nil, let command = survey.command else { return lines.joined(separator: "\n") }
        add("command", "\(command) \(survey.directory) -o FILE.tessera")
        return lines.joined(separator: "\n") + "\n\n" + RecipeSize.table(sizes)
    }

    private var weights: String? {
        survey.checkpoint.map { checkpoint in
            let files = checkpoint.files.filter { !$0.name.hasSuffix(".json") }
            let first = files.count == 1 ? files[0].name : "\(files.count) files"
            return "\(checkpoint.container.rawValue), \(first), \(checkpoint.names.count) tensors, "
                + ByteCount.text(checkpoint.byteCount)
        }
    }

    private func describe(_ set: WeightSet) -> String {
        let missing = set.missing.isEmpty ? "" : ", \(set.missing.count) missing"
        let state = set.isComplete ? "" : set.missing.isEmpty ? ", cannot be read" : missing
        return "\(set.name): \(set.container.rawValue), \(set.files.count) files\(state)"
    }

    private var tokenizer: String {
        let files = survey.tokenizerFiles.joined(separator: ", ")
        guard let tokenizer = survey.tokenizer else { return files.isEmpty ? "none" : "\(files): not read" }
        return "\(files): \(tokenizer.vocabularySize) ids, \(tokenizer.addedTokenCount) of them added"
    }

    var json: JSON {
        func strings(_ names: [String]?) -> JSON { .array((names ?? []).map(JSON.string)) }
        func text(_ text: String?) -> JSON { text.map(JSON.string) ?? .null }
        let sets = (survey.files?.sets ?? []).map { set in
            JSON.pairs([
                "name": .string(set.name), "container": .string(set.container.rawValue),
                "files": strings(set.files), "missing": strings(set.missing),
                "complete": .bool(set.isComplete),
            ])
        }
        return .pairs([
            "directory": .string(survey.directory), "kind": .string(kind),
            "model_type": text(survey.config?["model_type"]?.string),
            "architectures": strings(survey.config?["architectures"]?.strings),
            "convertible": .bool(refusal == nil), "command": text(survey.command),
            "parameters": survey.model.map { .int($0.plan.parameterCount) } ?? .null,
            "container": text(survey.checkpoint?.container.rawValue),
            "files": strings(survey.checkpoint?.files.map(\.name)),
            "tensors": survey.checkpoint.map { .int($0.names.count) } ?? .null,
            "bytes": survey.checkpoint.map { .int($0.byteCount) } ?? .null,
            "types": .object(survey.types.map { .init($0.name, .int($0.count)) }),
            "quantization": text(survey.quantization), "sets": .array(sets),
            "adapters": strings(survey.files?.adapters), "adapter_of": text(survey.files?.base),
            "training": strings(survey.files?.leftovers), "unfinished": strings(survey.files?.unfinished),
            "tokenizer": .pairs([
                "files": strings(survey.tokenizerFiles),
                "ids": survey.tokenizer.map { .int($0.vocabularySize) } ?? .null,
                "added": survey.tokenizer.map { .int($0.addedTokenCount) } ?? .null,
            ]),
            "processors": strings(survey.processorFiles), "template": text(survey.templateFile),
            "ledger": survey.model?.plan.ledger.json ?? .null,
            "settings": survey.model?.settings.json ?? .null,
            "warnings": strings(warnings), "refusal": text(refusal.map { "\($0)" }),
            "recipes": .array(sizes.map(\.json)),
        ])
    }
}
