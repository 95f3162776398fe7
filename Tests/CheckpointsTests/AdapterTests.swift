import Storage
import TestSupport
import Testing

@testable import Checkpoints

/// Adapters against plain arithmetic in double precision.
@Suite struct AdapterTests {
    /// Numbers that are the same every time.
    private struct Noise {
        var state: UInt64

        /// Between -1 and 1, and exact in bfloat16.
        mutating func callAsFunction() -> Double {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (Double(state >> 57) - 63.5) / 64
        }

        mutating func callAsFunction(_ count: Int) -> [Double] { (0..<count).map { _ in self() } }
    }

    struct Case: CustomTestStringConvertible, Sendable {
        let rows: Int, columns: Int, rank: Int
        var base = ElementType.float32
        var type = ElementType.float32
        var isStabilized = false
        var isDora = false
        var isEmbedding = false
        var kernel: [Int] = []
        var testDescription: String { "\(self)" }
    }

    static let cases = [
        Case(rows: 1, columns: 1, rank: 1), Case(rows: 7, columns: 5, rank: 3),
        Case(rows: 33, columns: 17, rank: 4, base: .bfloat16),
        Case(rows: 16, columns: 64, rank: 16, base: .float16, isStabilized: true),
        Case(rows: 50, columns: 19, rank: 40, base: .float64, type: .bfloat16),
        Case(rows: 3, columns: 129, rank: 2, type: .float16, isDora: true),
        Case(
            rows: 35, columns: 31, rank: 5, base: .bfloat16, type: .float64, isStabilized: true, isDora: true),
        Case(rows: 37, columns: 13, rank: 3, isEmbedding: true),
        Case(rows: 1, columns: 9, rank: 8, base: .bfloat16, type: .bfloat16, isEmbedding: true),
        Case(rows: 18, columns: 24, rank: 3, kernel: [3, 2, 2, 2]),
        Case(rows: 5, columns: 12, rank: 2, isDora: true, kernel: [3, 4, 1]),
    ]

    /// Rows of a merged weight, whichever are read, are those of `W + s·B·A`, stretched to the magnitudes.
    @Test(arguments: cases)
    func mergedRowsAreThoseOfPlainArithmetic(_ test: Case) throws {
        let (rows, columns, rank) = (test.rows, test.columns, test.rank)
        var noise = Noise(state: UInt64(rows * 1000 + columns))
        let base = noise(rows * columns), a = noise(rank * columns), b = noise(rows * rank)
        let lengths = noise(rows)
        var folder = try AdapterFolder([
            "r": .int(rank), "lora_alpha": .double(1.7), "use_rslora": .bool(test.isStabilized),
            "use_dora": .bool(test.isDora),
        ])
        let tail = test.kernel.isEmpty ? [columns] : test.kernel
        if test.isEmbedding {
            // A is [r, rows] and B is [columns, r]: what is added is the transpose of their product.
            let turned = (0..<rank * rows).map { b[$0 % rows * rank + $0 / rows] }
            folder.add("m.lora_embedding_A", [rank, rows], turned, as: test.type)
            let other = (0..<columns * rank).map { a[$0 % rank * columns + $0 / rank] }
            folder.add("m.lora_embedding_B", [columns, rank], other, as: test.type)
        } else {
            folder.add("m.lora_A.weight", [rank] + tail, a, as: test.type)
            folder.add(
                "m.lora_B.weight", [rows, rank] + test.kernel.dropFirst().map { _ in 1 }, b, as: test.type)
        }
        if test.isDora { folder.add("m.lora_magnitude_vector", [rows], lengths) }
        let adapter = try folder.read()
        #expect(adapter.warnings.isEmpty && adapter.changes.count == 1)
        let (name, change) = try #require(adapter.changes.first)
        guard case .added(let lowRank) = change else { throw Failure.badInput("not added") }
        #expect(name == "m.weight")
        let merged = try MergedWeight(
            folder.weight("m.weight", [rows] + tail, base, as: test.base), lowRank)
        #expect(merged.shape.extents == [rows] + tail && merged.type == .float32)

        let scale = Double(Float(1.7 / (test.isStabilized ? Double(rank).squareRoot() : Double(rank))))
        var expected = base
        for row in 0..<rows {
            for column in 0..<columns {
                let product = (0..<rank).reduce(0.0) { $0 + b[row * rank + $1] * a[$1 * columns + column] }
                expected[row * columns + column] += scale * product
            }
            guard test.isDora else { continue }
            let range = row * columns..<(row + 1) * columns
            let length = expected[range].reduce(0.0) { $0 + $1 * $1 }.squareRoot()
            for index in range { expected[index] *= lengths[row] / length }
        }
        for window in [
            0..<rows, rows / 2..<rows, 0..<1, rows - 1..<rows, rows / 3..<max(rows / 3, rows * 2 / 3),
        ] {
            var read = [Float](repeating: .nan, count: window.count * columns)
            try read.withUnsafeMutableBytes { bytes in
                try merged.readRows(window, into: bytes)
            }
            for (index, value) in read.enumerated() {
                let right = expected[window.lowerBound * columns + index]
                // The sum of r products and a few roundings more.
                #expect(abs(Double(value) - right) <= 3e-7 * Double(max(2, rank)), "\(window) \(index)")
            }
        }
    }

    /// Each length is written over; even 0, of a row that has a direction.
    @Test func aMagnitudeOfZeroMakesZeros() throws {
        var folder = try AdapterFolder(["use_dora": true])
        folder.addPair("m")
        folder.add("m.lora_magnitude_vector", [4], [0, 0, 0, 0])
        guard case .added(let change)? = try folder.read().changes.first?.change else {
            throw Failure.badInput("")
        }
        let base = try folder.weight("m.weight", [4, 3], [Double](repeating: 0.5, count: 12), as: .float32)
        var read = [Float](repeating: 1, count: 12)
        let merged = try MergedWeight(base, change)
        try read.withUnsafeMutableBytes { bytes in try merged.readRows(0..<4, into: bytes) }
        #expect(read.allSatisfy { $0 == 0 })
    }

    /// PEFT makes NaN of it.
    @Test func aRowWithoutDirectionIsRefused() throws {
        var folder = try AdapterFolder(["use_dora": true])
        folder.add("m.lora_A.weight", [2, 3], [1, 2, 3, 4, 5, 6])
        folder.add("m.lora_B.weight", [3, 2], [1, 1, 0, 0, 1, 1])
        folder.add("m.lora_magnitude_vector", [3], [1, 1, 1])
        guard case .added(let change)? = try folder.read().changes.first?.change else {
            throw Failure.badInput("")
        }
        let base = try folder.weight("m.weight", [3, 3], [1, 1, 1, 0, 0, 0, 1, 1, 1], as: .float32)
        let merged = try MergedWeight(base, change)
        var read = [Float](repeating: 1, count: 9)
        let failure = #expect(throws: Failure.self) {
            try read.withUnsafeMutableBytes { bytes in
                try merged.readRows(0..<3, into: bytes)
            }
        }
        #expect(failure?.kind == .badInput && failure?.message.contains("row 1 a length") == true)
    }

    @Test func theFirstPatternThatMatchesDecides() throws {
        func scale(_ module: String, _ settings: JSON) throws -> Float {
            var config = try AdapterConfig(SettingsReader(settings, file: "adapter_config.json"))
            return try config.scaling(module, rank: 4).factor
        }
        let patterns = JSON.object([
            .init("^q_proj", 1), .init("layers.1.self_attn.q_proj", 2), .init(#"layers\.[0-9]\.mlp\.\w+"#, 3),
            .init("up_proj", 4), .init("(k|v)_proj", 5), .init("^model.visual.*", 6),
        ])
        for (module, alpha) in [
            ("q_proj", 1.0), ("model.layers.1.self_attn.q_proj", 2), ("model.layers.0.self_attn.q_proj", 8),
            ("model.layers.0.mlp.up_proj", 3), ("model.layers.10.mlp.up_proj", 4), ("x.v_proj", 5),
            ("x.kv_proj", 8), ("model.visual.blocks.0.attn.qkv", 6), ("base.model.visual.x", 8),
        ] {
            let found = try scale(module, .pairs(["lora_alpha": 8, "alpha_pattern": patterns]))
            #expect(found == Float(alpha / 4), "\(module)")
        }
        #expect(try scale("m", .pairs([:])) == 2, "PEFT's own default of alpha is 8")
        #expect(try scale("m", .pairs(["lora_alpha": -3, "use_rslora": true])) == -1.5)
    }

    @Test func ranksThatAreNotThoseStatedAreTold() throws {
        var folder = try AdapterFolder(["r": 2, "rank_pattern": .pairs(["b.*": 3])])
        folder.addPair("a.q")
        folder.addPair("b.q", rank: 3)
        #expect(try folder.read().warnings.isEmpty)
        folder.addPair("c.q", rank: 5)
        folder.addPair("b.k", rank: 2)
        let warnings = try folder.read().warnings
        #expect(warnings.count == 1)
        #expect(warnings[0].contains("the ranks of 2 modules") && warnings[0].contains("'c.q' has rank 5"))
    }
}
