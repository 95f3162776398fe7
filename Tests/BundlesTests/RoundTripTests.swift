import GroupFormats
import Storage
import TestSupport
import Testing

@testable import Bundles

@Suite struct RoundTripTests {
    let directory: TemporaryDirectory
    let sample: SampleBundle
    var path: String { directory.file("a.tessera") }

    init() throws {
        directory = try TemporaryDirectory()
        sample = try SampleBundle()
    }

    @Test func readsBackWhatWasWritten() throws {
        let root = try sample.write(to: path)
        let bundle = try Bundle(path)
        #expect(bundle.digest == root)
        #expect(bundle.tensors.map(\.description) == sample.plan)
        for (tensor, data) in zip(bundle.tensors, sample.data) {
            let bytes = bundle.bytes(of: tensor)
            #expect(Array(bytes.bytes) == data)
            #expect(bytes.range.lowerBound % 64 == 0)
            #expect(bundle[tensor.name] == tensor)
        }
        #expect(bundle["absent"] == nil)
        #expect(try bundle.graphJSON == SampleBundle.graph)
        #expect(try bundle.metadata == SampleBundle.metadata)
        #expect(try bundle.tokenizer == SampleBundle.tokenizer)
        try bundle.verify(threads: 3)
        #expect(try Path.list(directory.path) == ["a.tessera"])
    }

    @Test(arguments: [1, 7, 64, 100_000]) func theSameBytesWhateverThePieces(piece: Int) throws {
        try sample.write(to: path)
        try sample.write(to: directory.file("b.tessera"), piece: piece)
        #expect(try readFile(path) == readFile(directory.file("b.tessera")))
    }

    @Test func aBundleOfNoTensors() throws {
        let writer = try BundleWriter(OutputPath(path, inputs: []), fingerprint: .null, plan: [])
        try writer.finish(graph: .array([]), metadata: .object([]), tokenizer: [])
        let bundle = try Bundle(path)
        #expect(bundle.tensors.isEmpty)
        #expect(try bundle.tokenizer.isEmpty)
        try bundle.verify(threads: 2)
    }

    @Test func leavesAnExistingFileAloneUnlessTold() throws {
        try putFile(path, [1, 2, 3])
        #expect(try failure { try sample.write(to: path) }?.kind == .usage)
        #expect(try readFile(path) == [1, 2, 3])
        let writer = try BundleWriter(
            OutputPath(path, replacing: true, inputs: []), fingerprint: "sample", plan: sample.plan)
        try sample.append(to: writer, until: sample.plan.count)
        #expect(try readFile(path) == [1, 2, 3], "the old file stands until the new one is complete")
        try writer.finish(graph: .null, metadata: .null, tokenizer: [])
        #expect(try Bundle(path).tensors.count == sample.plan.count)
    }

    @Test func refusesWhatThePlanDoesNotHold() throws {
        let writer = try BundleWriter(OutputPath(path, inputs: []), fingerprint: "sample", plan: sample.plan)
        #expect(try failure { try writer.append([0], to: 1) }?.kind == .mismatch)
        #expect(try failure { try writer.append(sample.data[0] + [0], to: 0) }?.kind == .mismatch)
        #expect(
            try failure { try writer.finish(graph: .null, metadata: .null, tokenizer: []) }?.place
                == "tensor 'tensor.0'")
    }

    @Test func refusesAPlanThatCannotBe() throws {
        #expect(try failure { _ = try WeightsLayout(sample.plan + sample.plan) }?.message == "appears twice")
        let wide = try #require(Shape(checking: [2, 3, 4]))
        let matrix = try #require(Shape(checking: [2, 3]))
        for (name, shape, encoding) in [
            ("", matrix, "F32"), (String(repeating: "x", count: 1025), matrix, "F32"), ("x", wide, "F32"),
            ("x", wide, "int4-g32"),
        ] {
            let encoding = try #require(TensorEncoding(encoding))
            let thrown = try failure {
                _ = try TensorDescription(name: name, shape: shape, encoding: encoding)
            }
            #expect(thrown?.kind == .badInput)
        }
    }

    @Test func twoWritersOfOneBundleDoNotMix() throws {
        let writer = try BundleWriter(OutputPath(path, inputs: []), fingerprint: "sample", plan: sample.plan)
        let thrown = try failure {
            _ = try BundleWriter(OutputPath(path, inputs: []), fingerprint: "other", plan: sample.plan)
        }
        #expect(thrown?.kind == .io)
        try sample.append(to: writer, until: sample.plan.count)
        try writer.finish(graph: .null, metadata: .null, tokenizer: [])
        try Bundle(path).verify(threads: 1)
    }
}
