import Bundles
import Checkpoints
import Generations
import Runtime
import Storage
import Tessera
import TestSupport
import Testing

/// Heads that are the embedding or not, by what the configuration says and by what the checkpoint holds.
@Suite struct HeadTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// What is done with the stored head.
    private enum Head {
        case dropped
        /// The embedding once more.
        case equal
        /// The embedding with every sign turned.
        case negated
    }

    private func checkpoint(_ fixture: String, _ head: Head) throws -> String {
        let published = Fixtures.path("\(fixture)/published")
        let folder = directory.file("\(head)")
        try makeDirectory(folder)
        for file in try Path.list(published) where file.hasSuffix("config.json") {
            try writeFile(Path.join(folder, file), try readFile(Path.join(published, file)))
        }
        var tensors: [TestTensor] = []
        for tensor in try Checkpoint(published).tensors where tensor.name != "lm_head.weight" {
            var bytes = [UInt8](tensor.data.bytes)
            tensors.append(TestTensor(tensor.name, "BF16", tensor.shape.extents, bytes))
            guard tensor.name.hasSuffix("embed_tokens.weight"), head != .dropped else { continue }
            if head == .negated {
                for index in stride(from: 1, to: bytes.count, by: 2) { bytes[index] ^= 0x80 }
            }
            tensors.append(TestTensor("lm_head.weight", "BF16", tensor.shape.extents, bytes))
        }
        try writeSafetensors(tensors, to: Path.join(folder, "model.safetensors"))
        return folder
    }

    /// What the reader says of heads, whether the bundle has a head of its own, and logits of a short text.
    private func open(
        _ fixture: String, _ head: Head
    ) throws -> (warnings: [String], hasHead: Bool, logits: [Float]) {
        let checkpoint = try checkpoint(fixture, head)
        let warnings = try ImportedModel.ofAnyGeneration(checkpoint).warnings.filter { $0.contains("head") }
        let path = try makeBundle(checkpoint, nil, at: directory.file("\(head).tessera"))
        let model = try Model(path, .init(threads: 1))
        let context = try TextContext(model.engine, capacity: 8)
        let logits = try model.engine.logits(context.evaluate(context.text([5, 60, 7], from: 0)))
        return (warnings, model.bundle["text.head.weight"] != nil, logits.values)
    }

    @Test func withoutAHeadTheEmbeddingIsUsedWhateverTheConfigurationSays() throws {
        let without = try open("qwen2.5-vl", .dropped)
        #expect(without.warnings.count == 1)
        #expect(!without.hasHead)
        let equal = try open("qwen2.5-vl", .equal)
        #expect(equal.warnings.isEmpty)
        #expect(equal.hasHead)
        #expect(equal.logits == without.logits)
    }

    @Test func aHeadThatDiffersIsUsedWhateverTheConfigurationSays() throws {
        let tied = try open("qwen3-vl", .dropped)
        #expect(tied.warnings.isEmpty)
        #expect(!tied.hasHead)
        let differing = try open("qwen3-vl", .negated)
        #expect(differing.warnings.count == 1)
        #expect(differing.hasHead)
        #expect(differing.logits == tied.logits.map { -$0 })
    }

    @Test func aTiedHeadStoredOnceMoreIsLeftOut() throws {
        let equal = try open("qwen3-vl", .equal)
        #expect(equal.warnings.isEmpty)
        #expect(!equal.hasHead)
        let ledger = try ImportedModel.ofAnyGeneration(directory.file("equal")).plan.ledger
        #expect(ledger.unused.map(\.name) == ["lm_head.weight"])
    }
}
