import Bundles
import Storage
import TestSupport
import Testing

/// Quantizing the demo model by an imatrix of llama.cpp's.
@Suite(.serialized) struct ImatrixCommandTests {
    private typealias Matrix = (name: String, sums: [Float], counts: [Float])

    private let directory: TemporaryDirectory
    private let model: String
    /// What `llama-imatrix` would say of the model, of text alone: made from a calibration file.
    private let matrices: [Matrix]

    init() throws {
        directory = try TemporaryDirectory()
        model = directory.file("model.tessera")
        let converted = try run("tessera-from-qwen2-vl", Fixtures.path("demo-qwen2-vl"), "-o", model)
        try #require(converted.status == 0, "\(converted.errors)")
        try writeFile(
            directory.file("text.txt"),
            Array(String(repeating: "What colour is the circle? ", count: 99).utf8))
        let calibrated = try run(
            "tessera-calibrate", model, "--data", directory.file("text.txt"), "-o", directory.file("cal"),
            "--window", "32", "--tokens", "256", "--light", "--no-sensitivity")
        try #require(calibrated.status == 0, "\(calibrated.errors)")
        matrices = try Self.matrices(try Bundle(directory.file("cal")))
    }

    /// The readers of each stage's inputs, by the name of the first.
    private static let readers = [
        "attention.q": ["attn_q", "attn_k", "attn_v"], "attention.output": ["attn_output"],
        "mlp.gate": ["ffn_gate", "ffn_up"], "mlp.down": ["ffn_down"],
    ]

    private static func matrices(_ calibration: Bundle) throws -> [Matrix] {
        func values<Value: BitwiseCopyable>(_ name: String, _: Value.Type) throws -> [Value] {
            Array(calibration.bytes(of: try #require(calibration[name])).bytes.bindMemory(to: Value.self))
        }
        var matrices: [Matrix] = []
        var block = 0
        while calibration["text.block.\(block).attention.q.weight/text/summary"] != nil {
            for (stage, names) in readers.sorted(by: { $0.key < $1.key }) {
                let name = "text.block.\(block).\(stage).weight/text"
                let rows = try values("\(name)/summary", Double.self)[0]
                let sums = try values("\(name)/moments", Float.self)
                matrices += names.map { ("blk.\(block).\($0).weight", sums, [Float(rows)]) }
            }
            block += 1
        }
        return matrices
    }

    private func quantize(
        _ name: String, _ file: GGUFBytes, _ arguments: String...
    ) throws -> Outcome {
        try writeFile(directory.file("imatrix.gguf"), file.bytes)
        return try run(
            "tessera-quantize",
            arguments: [
                model, "--calibration", directory.file("imatrix.gguf"), "-o", directory.file(name), "--force",
            ] + arguments)
    }

    private func writeRecipe(_ solver: String) throws -> String {
        let rule =
            #"{"roles": "text.attention.*", "blocks": "0", "encoding": {"bits": 4, "group": 32}, "solver": "\#(solver)"}"#
        let path = directory.file("\(solver).json")
        try writeFile(path, Array(#"{"name": "\#(solver)", "rules": [\#(rule)]}"#.utf8))
        return path
    }

    /// Nothing before the first block's attention is quantized here, so a calibration file knows what the imatrix does.
    @Test func sameBytesAsWithACalibrationFile() throws {
        let recipe = try writeRecipe("search")
        let imported = try quantize("imported", GGUFBytes(imatrix: matrices), "--recipe", recipe)
        #expect(imported.status == 0, "\(imported.errors)")
        #expect(imported.errors.contains("8 pieces of 512 tokens of one.txt) covers 4 of 4 searched weights"))
        let own = try run(
            "tessera-quantize", model, "--calibration", directory.file("cal"), "--recipe", recipe, "-o",
            directory.file("own"))
        #expect(own.status == 0, "\(own.errors)")
        let plain = try run(
            "tessera-quantize", model, "--recipe", recipe, "-o", directory.file("plain"))
        #expect(plain.status == 0, "\(plain.errors)")
        func bytes(_ bundle: String, _ name: String) throws -> [UInt8] {
            let bundle = try Bundle(directory.file(bundle))
            return Array(bundle.bytes(of: try #require(bundle[name])).bytes)
        }
        for part in ["q", "k", "v"] {
            let name = "text.block.0.attention.\(part).weight"
            #expect(try bytes("imported", name) == bytes("own", name))
            #expect(try bytes("imported", name) != bytes("plain", name))
        }
        let (digest, provenance) = (
            try SHA256.digest(try readFile(directory.file("imatrix.gguf"))),
            try Bundle(directory.file("imported")).metadata["provenance"]
        )
        #expect(provenance?["calibration"]?.string == digest.description)
    }

    @Test func whatIsNotCoveredIsListed() throws {
        let sound = GGUFBytes(imatrix: matrices.filter { !$0.name.hasPrefix("blk.1.ffn_down") })
        let planned = try quantize("out", sound, "--dry-run")
        let words = ["text.mlp.down (blocks 1)", "vision.attention.qkv (blocks 0-", "text.head"]
        for word in words { #expect(planned.errors.contains(word), "\(planned.errors)") }
        #expect(planned.status == 0 && !Path.exists(directory.file("out")))
        let outcome = try quantize("out", sound, "--json")
        #expect(outcome.status == 0, "\(outcome.errors)")
        let report = try #require(try JSON(parsing: Array(outcome.output.utf8))["imatrix"])
        #expect(report["covered"]?.int == matrices.count - 1)
        let names = try #require(report["not_covered"]?.array).compactMap(\.string)
        #expect(names.contains("text.block.1.mlp.down.weight") && names.contains("text.embedding.weight"))
        #expect(!names.contains("text.block.0.mlp.down.weight"))
    }

    /// Models whose queries, keys and values are one matrix, and whose networks are mixtures.
    @Test(arguments: [
        ("qwen-vl", ["attention.qkv": "attn_qkv", "mlp.gate": "ffn_gate"]),
        (
            "qwen3-vl-moe",
            [
                "attention.output": "attn_output", "experts.gate": "ffn_gate_exps",
                "experts.up": "ffn_up_exps",
                "experts.down": "ffn_down_exps",
            ]
        ),
    ])
    func otherGenerations(fixture: String, names: [String: String]) throws {
        let path = directory.file("other.tessera")
        let converted = try run(
            "tessera-from-\(generation(of: fixture))", Fixtures.path("\(fixture)/published"), "-o", path)
        try #require(converted.status == 0, "\(converted.errors)")
        let bundle = try Bundle(path)
        var matrices: [Matrix] = []
        for tensor in bundle.tensors {
            let words = tensor.name.split(separator: ".").map(String.init)
            guard words.count == 6, words.starts(with: ["text", "block"]), words[5] == "weight",
                let name = names[words[3...4].joined(separator: ".")]
            else { continue }
            let router = bundle["text.block.\(words[2]).router.weight"]
            let experts = words[3] == "experts" ? try #require(router).shape.extents[0] : 1
            let sums = [Float](repeating: 1, count: tensor.shape.extents[1] * experts)
            matrices.append(
                ("blk.\(words[2]).\(name).weight", sums, [Float](repeating: 2, count: experts)))
        }
        try writeFile(directory.file("other.gguf"), GGUFBytes(imatrix: matrices).bytes)
        let outcome = try run(
            "tessera-quantize", path, "--calibration", directory.file("other.gguf"), "--dry-run")
        #expect(outcome.status == 0 && matrices.count >= 2 * names.count, "\(outcome.errors)")
        #expect(outcome.errors.contains("covers \(matrices.count) of "), "\(outcome.errors)")
    }

    @Test(arguments: ["gptq", "refit"])
    func solversOfFullMomentsAreRefused(solver: String) throws {
        let outcome = try quantize("out", GGUFBytes(imatrix: matrices), "--recipe", try writeRecipe(solver))
        #expect(outcome.status == 2 && outcome.errors.contains("only the diagonals"), "\(outcome.errors)")
    }

    @Test(arguments: [["--bits", "5"], ["--fit", "3M"]])
    func budgetsAreRefused(budget: [String]) throws {
        let outcome = try quantize("out", GGUFBytes(imatrix: matrices), budget[0], budget[1])
        #expect(outcome.status == 2 && outcome.errors.contains("has no sensitivities"), "\(outcome.errors)")
    }

    @Test func otherModelsAndFormsAreRefused() throws {
        func refuses(_ words: String, _ file: GGUFBytes) throws {
            let outcome = try quantize("out", file)
            #expect(outcome.status == 3 && outcome.errors.contains(words), "\(outcome.errors)")
        }
        let narrow = matrices.map { Matrix($0.name, $0.sums.dropLast(), $0.counts) }
        try refuses("columns where 'text.block.0.attention.q.weight' has", GGUFBytes(imatrix: narrow))
        let last = try #require(matrices.last).name.split(separator: ".")[1]
        let shallow = matrices.filter { !$0.name.hasPrefix("blk.\(last).") }
        try refuses("has nothing of block \(last)", GGUFBytes(imatrix: shallow))
        let deep = matrices + [Matrix("blk.99.ffn_up.weight", [1], [1])]
        try refuses("has the matrix 'blk.99.ffn_up.weight'", GGUFBytes(imatrix: deep))
        try refuses("is a GGUF file of type 'model'", GGUFBytes([.init("general.type", "model")], []))
        // The form before GGUF: the number of matrices, then names, counted, with their sums.
        let name = Array("blk.0.attn_q.weight".utf8)
        try writeFile(
            directory.file("old.dat"), little(Int32(1)) + little(Int32(name.count)) + name + [0, 0])
        let old = try run(
            "tessera-quantize", model, "--calibration", directory.file("old.dat"), "-o", directory.file("out")
        )
        #expect(old.status == 3 && old.errors.contains("old form (.dat)"), "\(old.errors)")
    }
}
