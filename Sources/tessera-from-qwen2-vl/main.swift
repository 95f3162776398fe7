import Bundles
import Generations
import GroupFormats
import Storage
import GraphIR
import Checkpoints

let model = try ImportedModel.qwen2VL(CommandLine.arguments[1])
print(model.ledger.summary, model.warnings)
var plan: [TensorDescription] = []
for e in model.ledger.entries { plan.append(try TensorDescription(name: e.slot.name, shape: e.slot.shape, encoding: .float(e.tensor.type), sources: [e.tensor.name])) }
let writer = try BundleWriter(CommandLine.arguments[2], fingerprint: .null, plan: plan, overwrite: true)
for (i, e) in model.ledger.entries.enumerated() { try writer.append(e.tensor.data.bytes, to: i) }
print(try writer.finish(graph: model.graph.json, metadata: model.metadata(sources: [], recipe: .null), tokenizer: model.tokenizer))
