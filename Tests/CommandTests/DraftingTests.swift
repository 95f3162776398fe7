import Bundles
import Checkpoints
import Storage
import TestSupport
import Testing

/// Tensors by which a model drafts tokens for itself: carried along where that is asked for, and only there.
@Suite struct DraftingTests {
    private let directory: TemporaryDirectory
    private let checkpoint = Fixtures.path("qwen3.5/published")

    init() throws { directory = try TemporaryDirectory() }

    private func convert(to name: String, _ options: String...) throws -> String {
        let path = directory.file(name)
        let outcome = try run("tessera-from-qwen3.5", arguments: [checkpoint, "-o", path] + options)
        #expect(outcome.status == 0, "\(outcome.errors)")
        return path
    }

    /// The tensors of the one section that a bundle carries.
    private func carried(by path: String) throws -> [SourceTensor] {
        let section = try #require(try Bundle(path).carried.first)
        #expect(section.code == "mtpw")
        let bytes = section.parts.flatMap { part -> [UInt8] in
            switch part {
            case .memory(let bytes): bytes
            case .mapped(let bytes): Array(bytes.bytes)
            }
        }
        #expect(bytes.count == section.byteCount)
        let file = directory.file("mtp.safetensors")
        try putFile(file, bytes)
        return try SafetensorsFile(file).tensors
    }

    /// They are as the checkpoint has them, behind quantization too, and the model itself is the same.
    @Test func theyAreCarriedAsTheyAre() throws {
        let kept = try convert(to: "kept.tessera", "--keep-mtp")
        let quantized = directory.file("int8.tessera")
        #expect(try run("tessera-quantize", kept, "--recipe", "int8", "-o", quantized).status == 0)
        let source = try Checkpoint(checkpoint)
        for path in [kept, quantized] {
            let tensors = try carried(by: path)
            #expect(tensors.map(\.name).sorted() == ["mtp.fc.weight", "mtp.norm.weight"])
            for tensor in tensors {
                let original = try #require(source[tensor.name])
                #expect(tensor.type == original.type && tensor.shape == original.shape)
                #expect(tensor.data.bytes.elementsEqual(original.data.bytes))
            }
            let report = try run("tessera-inspect", path, "--verify")
            #expect(report.status == 0 && report.output.contains("carried      section mtpw"))
            #expect(try run("tessera-diff", checkpoint, path, "--verify").status == 0)
        }
        let plain = try Bundle(try convert(to: "plain.tessera"))
        let bundle = try Bundle(kept)
        #expect(plain.carried.isEmpty)
        #expect(plain.digest != bundle.digest)
        #expect(try plain.graphJSON == bundle.graphJSON && plain.metadata == bundle.metadata)
        #expect(plain.tensors.map(\.digest) == bundle.tensors.map(\.digest))
    }

    /// A damaged section is found, and not handed on under a new digest.
    @Test func damageIsFoundAndNotHandedOn() throws {
        let path = try convert(to: "kept.tessera", "--keep-mtp")
        var bytes = try readFile(path)
        bytes[bytes.count - 1] ^= 1
        try putFile(path, bytes)
        let verified = try run("tessera-inspect", path, "--verify")
        #expect(verified.status == 1 && verified.errors.contains("section mtpw"), "\(verified.errors)")
        let out = directory.file("out.tessera")
        let outcome = try run("tessera-quantize", path, "--recipe", "int8", "-o", out)
        #expect(outcome.status == 1 && outcome.errors.contains("section mtpw"), "\(outcome.errors)")
        #expect(!Path.exists(out))
    }

    /// Whole, but another model's.
    @Test func anothersAreFound() throws {
        let edited = try EditedCheckpoint("qwen3.5/published")
        let name = "model-00002-of-00002.safetensors"
        let file = try SafetensorsFile(edited.directory.file(name))
        let range = try #require(file.tensors.first { $0.name == "mtp.fc.weight" }).data.range
        var bytes = try readFile(edited.directory.file(name))
        bytes[range.lowerBound] ^= 1
        try putFile(edited.directory.file(name), bytes)
        let path = try convert(to: "kept.tessera", "--keep-mtp")
        let outcome = try run("tessera-diff", edited.path, path, "--verify")
        #expect(outcome.status == 1 && outcome.output.contains("section mtpw"), "\(outcome.output)")
    }

    /// Before anything is read or written, in a dry run too.
    @Test(arguments: [[], ["--dry-run"]])
    func aCheckpointWithoutThemIsRefused(options: [String]) throws {
        let out = directory.file("out.tessera")
        let outcome = try run(
            "tessera-from-qwen3.5",
            arguments: [Fixtures.path("qwen3.5-moe/published"), "-o", out, "--keep-mtp"] + options)
        #expect(outcome.status == 2 && outcome.errors.contains("--keep-mtp"), "\(outcome.errors)")
        #expect(!Path.exists(out))
    }

    @Test func aDryRunCountsThem() throws {
        let outcome = try run("tessera-from-qwen3.5", checkpoint, "--keep-mtp", "--dry-run")
        #expect(outcome.status == 0 && outcome.errors.contains("carried: section mtpw"), "\(outcome.errors)")
        let manifest = try run(
            "tessera-from-qwen3.5", "--manifest", "Qwen3.5-0.8B", "--keep-mtp", "--dry-run")
        #expect(manifest.status == 2)
    }
}
