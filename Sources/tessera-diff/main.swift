import Accuracy
import Runtime
import Tessera
import Storage

let model = try Model(CommandLine.arguments[1], .init(threads: 2, cachePrecision: .float32))
let g = try GoldenComparison(model, file: CommandLine.arguments[2])
print(CommandLine.arguments[2], "positions", g.positionsEqual as Any, "first beyond 1e-3:", g.firstBeyond(1e-3)?.name as Any)
for s in g.stages { print(s.name, s.relativeMaximum) }
print(g.divergence?.mean as Any, g.greedy.map { $0.reference == $0.model } as Any)
