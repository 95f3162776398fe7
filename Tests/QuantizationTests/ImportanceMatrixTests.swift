import Bundles
import Calibration
import GraphIR
import GroupFormats
import Quantization
import Storage
import TestSupport
import Testing

/// What llama.cpp's imatrix says of a model, and what is made of it.
@Suite struct ImportanceMatrixTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private typealias Matrix = (name: String, sums: [Float], counts: [Float])

    private func statistics(_ file: GGUFBytes, _ model: ModelGraph) throws -> ColumnStatistics {
        try putFile(directory.file("i.gguf"), file.bytes)
        return try ColumnStatistics(try ImportanceMatrix(directory.file("i.gguf")), model)
    }

    private func refuses(
        _ words: String, at place: String?, _ file: GGUFBytes, _ model: ModelGraph,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let failure = #expect(throws: Failure.self, sourceLocation: sourceLocation) {
            try statistics(file, model)
        }
        #expect(failure?.kind == .badInput && failure?.place == place, sourceLocation: sourceLocation)
        #expect(failure?.file == directory.file("i.gguf"), sourceLocation: sourceLocation)
        #expect(
            failure?.message.contains(words) == true, "\(String(describing: failure))",
            sourceLocation: sourceLocation)
    }

    /// Two blocks of linears [3, 4], the second's with two experts, and a head; `fused` of queries, keys and values in one.
    private static func model(fused: Bool = false) throws -> ModelGraph {
        var builder = ModelGraphBuilder()
        try builder.begin("text")
        let x = try builder.input("x", .rows(.symbol(.tokens), 4))
        for part in fused ? ["qkv"] : ["q", "k", "v"] {
            let weight = try builder.weight(part, [3, 4])
            let use = Operation.WeightUse(weight, Role("text.attention.\(part)"), block: 0)
            _ = try builder.add(.linear(.init(use)), x)
        }
        let router = try builder.weight("router", [2, 4])
        let scores = try builder.add(.linear(.init(.init(router, Role("text.router"), block: 1))), x)
        let routes = try builder.add(.route(.init(chosen: 1)), scores)
        for part in ["gate", "up"] {
            let weight = try builder.weight(part, [6, 4])
            let use = Operation.WeightUse(weight, Role("text.experts.\(part)"), block: 1)
            _ = try builder.add(.expertLinear(.init(use, experts: 2, chosen: 1)), x, routes)
        }
        let tower = try builder.weight("tower", [4, 4])
        let seen = try builder.add(.linear(.init(.init(tower, Role("vision.mlp.up"), block: 0))), x)
        let head = try builder.weight("head", [5, 4])
        try builder.output(try builder.add(.linear(.init(.init(head, Role("text.head")))), seen))
        return try builder.finish()
    }

    private static let matrices: [Matrix] = [
        ("blk.0.attn_q.weight", [1, 2, 3, 4], [2]), ("blk.0.attn_k.weight", [5, 6, 7, 8], [2]),
        ("blk.1.ffn_gate_exps.weight", [1, 2, 3, 4, 8, 6, 4, 2], [1, 3]),
        ("output.weight", [0, 0, 1, 3], [4]),
    ]

    /// Of each expert's rows, and sixteen more that are as all are on average.
    private static func mixed(_ matrix: Matrix, all: [Double]) -> MeanSquares {
        MeanSquares(
            experts: matrix.counts.enumerated().map { expert, count in
                all.enumerated().map { column, mean in
                    let sum = Double(matrix.sums[expert * all.count + column])
                    return Float((sum + 16 * mean) / (Double(count) + 16))
                }
            })
    }

    @Test func matricesAreThoseOfRoles() throws {
        let statistics = try statistics(GGUFBytes(imatrix: Self.matrices), Self.model())
        #expect(
            statistics.meanSquares == [
                "q": .init([0.5, 1, 1.5, 2]), "k": .init([2.5, 3, 3.5, 4]),
                "gate": Self.mixed(Self.matrices[2], all: [2.25, 2, 1.75, 1.5]),
                "head": .init([0, 0, 0.25, 0.75]),
            ])
        #expect(statistics.matrix.datasets == ["books/one.txt"])
        #expect(statistics.matrix.chunkCount == 8 && statistics.matrix.chunkSize == 512)
    }

    /// What reads the same value goes by any of its readers' names.
    @Test func fusedMatrices() throws {
        let fused: [Matrix] = [
            ("blk.0.attn_qkv.weight", [1, 2, 3, 4], [1]), ("token_embd.weight", [1, 1, 1, 1], [1]),
            ("blk.1.ffn_gate_up_exps.weight", [1, 1, 1, 1, 3, 3, 3, 3], [1, 1]),
        ]
        let apart = try statistics(GGUFBytes(imatrix: fused), Self.model()).meanSquares
        #expect(Set(apart.keys) == ["q", "k", "v", "gate", "up", "head"])
        #expect(apart["v"] == .init([1, 2, 3, 4]))
        #expect(apart["up"] == Self.mixed(fused[2], all: [2, 2, 2, 2]))
        // What an expert read counts for more than what others did.
        #expect(apart["up"].map { $0[0][0] < 2 && 2 < $0[1][0] } == true)
        let whole = try statistics(GGUFBytes(imatrix: fused), Self.model(fused: true)).meanSquares
        #expect(Set(whole.keys) == ["qkv", "gate", "up", "head"])
    }

    /// An expert that no row went to is as all are; of a matrix of only such, as if it were not there.
    @Test func expertsWithoutRows() throws {
        var matrices = Self.matrices
        matrices[2] = ("blk.1.ffn_gate_exps.weight", [0, 0, 0, 0, 8, 6, 4, 2], [0, 2])
        let all: [Float] = [4, 3, 2, 1]
        #expect(
            try statistics(GGUFBytes(imatrix: matrices), Self.model()).meanSquares["gate"]
                == .init(experts: [all, all]))
        matrices[2].counts = [0, 0]
        #expect(try statistics(GGUFBytes(imatrix: matrices), Self.model()).meanSquares["gate"] == nil)
    }

    @Test func otherModels() throws {
        let model = try Self.model()
        func refuses(
            _ words: String, at place: String? = nil, sourceLocation: SourceLocation = #_sourceLocation,
            _ change: (inout [Matrix]) -> Void
        ) throws {
            var matrices = Self.matrices
            change(&matrices)
            try self.refuses(
                words, at: place, GGUFBytes(imatrix: matrices), model, sourceLocation: sourceLocation)
        }
        try refuses("has 5 columns where 'q' has 4", at: "matrix 'blk.0.attn_q.weight'") {
            $0[0].sums = [1, 2, 3, 4, 5]
        }
        try refuses("has 5 columns where 'head' has 4", at: "matrix 'output.weight'") {
            $0[3].sums = [1, 2, 3, 4, 5]
        }
        try refuses("is of 1 experts where 'gate' is of 2", at: "matrix 'blk.1.ffn_gate_exps.weight'") {
            $0[2] = ("blk.1.ffn_gate_exps.weight", [1, 2, 3, 4], [1])
        }
        try refuses("is of 2 experts where 'q' is of 1", at: "matrix 'blk.0.attn_q.weight'") {
            $0[0] = ("blk.0.attn_q.weight", [1, 2, 3, 4, 1, 2, 3, 4], [1, 1])
        }
        try refuses("has nothing of block 1") { $0.remove(at: 2) }
        try refuses("has the matrix 'blk.2.attn_q.weight'") {
            $0.append(("blk.2.attn_q.weight", [1, 2, 3, 4], [1]))
        }
        try refuses("has the matrix 'blk.0.ssm_in.weight'") { $0.append(("blk.0.ssm_in.weight", [1], [1])) }
        try refuses("has the matrix 'blk.00.attn_q.weight'") {
            $0.append(("blk.00.attn_q.weight", [1, 2, 3, 4], [1]))
        }
    }

    @Test func whatIsNoImatrix() throws {
        let model = try Self.model()
        let sound = GGUFBytes(imatrix: Self.matrices)
        func refuses(
            _ words: String, at place: String? = nil, sourceLocation: SourceLocation = #_sourceLocation,
            _ change: (inout GGUFBytes) -> Void
        ) throws {
            var file = sound
            change(&file)
            try self.refuses(words, at: place, file, model, sourceLocation: sourceLocation)
        }
        try refuses("is a GGUF file of type 'model', no imatrix") {
            $0.values[0] = .init("general.type", "model")
        }
        try refuses("has nothing of any matrix") { $0.tensors = [] }
        let q = "matrix 'blk.0.attn_q.weight'"
        try refuses("not both", at: q) { $0.tensors.remove(at: 0) }
        try refuses("not both", at: q) { $0.tensors.remove(at: 1) }
        try refuses("is no tensor of an imatrix", at: "tensor 'x'") { $0.tensors[0].name = "x" }
        try refuses("is F16 of shape [1, 4]", at: "tensor 'blk.0.attn_q.weight.in_sum2'") {
            $0.tensors[0].type = 1
            $0.tensors[0].data.removeLast(8)
        }
        try refuses("is F32 of shape [1, 0]", at: "tensor 'blk.0.attn_q.weight.in_sum2'") {
            $0.tensors[0] = .init("blk.0.attn_q.weight.in_sum2", [0, 1], [])
        }
        try refuses("with numbers of rows of shape [1, 2]", at: q) {
            $0.tensors[1] = .init("blk.0.attn_q.weight.counts", [2, 1], [1, 1])
        }
        for bad in [-1, .nan, .infinity, 1.5, 0x1p60] as [Float] {
            try refuses("has \(bad) rows", at: q) {
                $0.tensors[1] = .init("blk.0.attn_q.weight.counts", [1, 1], [bad])
            }
        }
        for bad in [-1, .nan, .infinity] as [Float] {
            try refuses("has \(bad) as the sum of squares of column 2", at: q) {
                $0.tensors[0] = .init("blk.0.attn_q.weight.in_sum2", [4], [1, 2, bad, 4])
            }
        }
        try refuses("is no array of texts", at: "metadata 'imatrix.datasets'") {
            $0.values[1] = .init("imatrix.datasets", 1)
        }
        try refuses("is no number of 32 bits", at: "metadata 'imatrix.chunk_size'") {
            $0.values[3] = .init("imatrix.chunk_size", "512")
        }
    }

    /// Whatever happens to a file, it is read or refused as bad input.
    @Test func damagedFiles() throws {
        let model = try Self.model()
        let whole = GGUFBytes(imatrix: Self.matrices).bytes
        let path = directory.file("i.gguf")
        var accepted = 0
        func survives(_ bytes: [UInt8]) throws {
            try putFile(path, bytes)
            do throws(Failure) {
                let statistics = try ColumnStatistics(try ImportanceMatrix(path), model)
                accepted += 1
                for squares in statistics.meanSquares.values {
                    for expert in (0..<squares.count).map({ squares[$0] }) {
                        #expect(expert.count == 4 && expert.allSatisfy { $0 >= 0 && $0.isFinite })
                    }
                }
            } catch { #expect(error.kind == .badInput && error.file == path, "\(error)") }
        }
        var numbers = Numbers(11)
        let fields: [UInt64] = [0, 1 << 31, 1 << 62, 1 << 63, .max - 7, .max]
        for place in whole.indices {
            var bytes = whole
            bytes[place] = [0x00, 0x20, 0x7F, 0xFF, bytes[place] ^ 1].randomElement(using: &numbers) ?? 0
            try survives(bytes)
            // A whole field.
            bytes = whole
            let field = little(fields.randomElement(using: &numbers) ?? 0)
            bytes.replaceSubrange(place..<min(place + 8, whole.count), with: field)
            try survives(bytes)
        }
        #expect(accepted > 0)
        for length in stride(from: 0, to: whole.count, by: 7) { try survives(Array(whole.prefix(length))) }
    }

    /// Columns count by what is known of them; where nothing is, and where codes are rounded to nearest, nothing changes.
    @Test func searchWeighsColumns() throws {
        let toy = try Toy()
        let source = try toy.write(directory.file("full"))
        var numbers = Numbers(7)
        let squares: [Float] = (0..<40).map { _ in
            let value = numbers.normal()
            return value * value * value * value
        }
        let known = ["up.weight": MeanSquares(squares)]
        let (four, recipe) = (try format(.four, 32), try Recipe(named: "int4"))
        let weighed = try toy.quantize(source, recipe, to: directory.file("w"), meanSquares: known).bundle
        let plain = try toy.quantize(source, recipe, to: directory.file("p")).bundle
        func bytes(_ bundle: Bundle, _ name: String) throws -> [UInt8] {
            Array(bundle.bytes(of: try #require(bundle[name])).bytes)
        }
        for weight in toy.weights {
            let isKnown = known[weight.name] != nil
            #expect(try (bytes(weighed, weight.name) != bytes(plain, weight.name)) == isKnown)
        }
        let up = try #require(toy.weights.first { $0.name == "up.weight" })
        let fitted = try Fitted(up.values, columns: 40, four, .search, importance: squares)
        #expect(try bytes(weighed, "up.weight") == fitted.bytes)
        let nearest = Recipe("r", rules: [.init(["*"], .groups(four, .nearest))])
        let rounded = try toy.quantize(source, nearest, to: directory.file("n"), meanSquares: known).bundle
        let same = try toy.quantize(source, nearest, to: directory.file("m")).bundle
        #expect(rounded.digest == same.digest)
        let wrong = #expect(throws: Failure.self) {
            try toy.quantize(source, recipe, to: directory.file("x"), meanSquares: ["down": .init(squares)])
        }
        #expect(wrong?.place?.contains("tensor 'down'") == true)
        let plan = try QuantizationPlan(recipe, toy.graph, BundleWeights(source).weights)
        #expect(plan.coverage(by: known.keys).covered == ["up.weight"])
        #expect(plan.coverage(by: known.keys).missing == ["table", "down"])
    }

    /// Each expert's rows are those that its own columns' weights give, wherever tiles and panels end.
    @Test(arguments: [16 << 20, 1])
    func searchWeighsTheColumnsOfExperts(panelBytes: Int) throws {
        let toy = try Toy()
        let source = try toy.write(directory.file("full"))
        var numbers = Numbers(8)
        let squares: [[Float]] = (0..<3).map { _ in (0..<40).map { _ in abs(numbers.normal()) } }
        let made = try toy.quantize(
            source, Recipe(named: "int4"), to: directory.file("e"),
            meanSquares: ["up.weight": .init(experts: squares)], panelBytes: panelBytes
        ).bundle
        let up = try #require(toy.weights.first { $0.name == "up.weight" })
        let tiles = made.bytes(of: try #require(made["up.weight"]))
        let geometry = try makeGeometry(try format(.four, 32), 33, 40)
        var stored = [Float](repeating: 0, count: 33 * 40)
        stored.withUnsafeMutableBufferPointer { stored in
            for row in 0..<33 {
                geometry.read(
                    row: row, of: tiles.bytes,
                    into: UnsafeMutableBufferPointer(rebasing: stored[row * 40..<(row + 1) * 40]))
            }
        }
        for expert in 0..<3 {
            let rows = expert * 11 * 40..<(expert + 1) * 11 * 40
            let alone = try Fitted(
                Array(up.values[rows]), columns: 40, format(.four, 32), .search, importance: squares[expert])
            #expect(Array(stored[rows]) == alone.values)
        }
        let uneven = #expect(throws: Failure.self) {
            try toy.quantize(
                source, Recipe(named: "int4"), to: directory.file("u"),
                meanSquares: ["up.weight": .init(experts: Array(squares[..<2]))])
        }
        #expect(uneven?.message.contains("33 rows for 2 experts") == true)
    }
}
