import Accuracy
import Bundles
import Checkpoints
import GraphIR
import GroupFormats
import Prompts
import Runtime
import Storage
import Tessera
import TestSupport
import Testing

@testable import Generations

/// A bundle made of two GGUF files is the bundle made of the folder that they were made from.
@Suite(.serialized) struct GGUFBundleTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func imported(_ twin: GGUFTwin) throws -> ImportedModel {
        try .ofAnyGeneration(twin.write(to: directory.path))
    }

    /// The bits of a tensor's values as float32.
    private func values(_ tensor: TensorEntry, of bundle: Bundle) throws -> [UInt32] {
        let bytes = bundle.bytes(of: tensor).bytes
        guard case .float(let type) = tensor.encoding else {
            Issue.record("\(tensor.name) is \(tensor.encoding)")
            return []
        }
        return (0..<bytes.count / type.width).map { index in
            switch type {
            case .float32: return bytes.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)
            case .bfloat16:
                return UInt32(bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)) << 16
            default:
                let half = bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)
                return Float(Float16(bitPattern: half)).bitPattern
            }
        }
    }

    /// Rates of decay come out of an exponential: no more than a rounding from those of the folder, and the same for what a step of the
    /// model makes of them. All else is the same, to the bit.
    @Test(arguments: GoldenTests.fixtures, [GGUFTwin.Matrices.float32, .bfloat16])
    func weightsGraphAndAnswersAreTheFolders(fixture: String, matrices: GGUFTwin.Matrices) throws {
        let model = try imported(GGUFTwin(of: "\(fixture)/published", matrices))
        let made = try Bundle(try makeBundle(model, nil, at: directory.file("gguf.tessera")))
        let folder = try Bundle(try Bundled.path(fixture))
        #expect(try made.graphJSON == folder.graphJSON)
        #expect(made.tensors.map(\.name) == folder.tensors.map(\.name))
        for (tensor, other) in zip(made.tensors, folder.tensors) {
            let (own, others) = (try values(tensor, of: made), try values(other, of: folder))
            guard tensor.name.hasSuffix(".log_decay") else {
                #expect(own == others, "\(tensor.name)")
                continue
            }
            let differences = zip(own, others).map { abs(Float(bitPattern: $0) - Float(bitPattern: $1)) }
            #expect(own.count == others.count && differences.allSatisfy { $0 < 2.5e-7 }, "\(differences)")
        }
        let running = try Model(
            directory.file("gguf.tessera"), .init(threads: 2, cachePrecision: .float32))
        let comparison = try GoldenCase(fixture, "image2").compare(running)
        #expect(comparison.firstBeyond(GoldenTests.tolerance(of: fixture))?.name == nil)
        #expect(comparison.positionsEqual == true)
        let greedy = try #require(comparison.greedy)
        #expect(greedy.reference == greedy.model)
    }

    /// float16 has fewer bits of a bfloat16's exponent: the reference's answers stay near.
    @Test func halvesStayNear() throws {
        let model = try imported(GGUFTwin(of: "qwen2-vl/published", .float16))
        _ = try makeBundle(model, nil, at: directory.file("gguf.tessera"))
        let running = try Model(directory.file("gguf.tessera"), .init(threads: 2, cachePrecision: .float32))
        #expect(try GoldenCase("qwen2-vl", "image2").compare(running).firstBeyond(1e-3)?.name == nil)
    }

    /// The trained demo has a tokenizer and a template: all that a bundle holds is the folder's, but for what GGUF does not say.
    @Test func theDemoIsTheFolders() throws {
        let model = try imported(GGUFTwin(of: "demo-qwen2-vl"))
        let folder = try Converter.qwen2VL.read(Fixtures.path("demo-qwen2-vl"))
        #expect(model.tokenizer == folder.tokenizer && !model.tokenizer.isEmpty)
        #expect(model.prompt.template.jinja == folder.prompt.template.jinja)
        #expect(model.prompt.template.origin == .checkpoint(file: "text.gguf"))
        #expect(model.prompt.stopTokens == folder.prompt.stopTokens)
        #expect(model.prompt.imageToken == folder.prompt.imageToken)
        #expect(model.prompt.videoToken == folder.prompt.videoToken)
        #expect(model.prompt.images.mean.map(Float.init) == folder.prompt.images.mean.map(Float.init))
        #expect(model.plan.contextLimit == folder.plan.contextLimit)
        #expect(model.sampling["temperature"]?.double == 0.7 && model.sampling["do_sample"] == true)
        #expect(model.checkpoint.files.map(\.name) == ["text.gguf", "mmproj.gguf"])
    }
}
