import Storage
import TestSupport
import Testing

@testable import Checkpoints

@Suite struct CheckpointTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// Writes a shard that holds these tensors, of one byte each.
    private func shard(_ file: String, _ names: [String]) throws {
        let entries = names.enumerated().map { index, name in
            #""\#(name)":{"dtype":"U8","shape":[1],"data_offsets":[\#(index),\#(index + 1)]}"#
        }
        try putFile(
            directory.file(file), safetensors("{" + entries.joined(separator: ",") + "}", data: names.count))
    }

    private func index(_ map: KeyValuePairs<String, JSON>) throws {
        let json = JSON.pairs(["metadata": .pairs(["total_size": 3]), "weight_map": .pairs(map)])
        try putFile(directory.file("model.safetensors.index.json"), Array(json.serialized().utf8))
    }

    private func expect(_ part: String) throws {
        do {
            _ = try Checkpoint(directory.path)
            Issue.record("accepted, but expected '\(part)'")
        } catch let failure {
            #expect(failure.kind == .badInput)
            #expect("\(failure)".contains(part), "\(failure)")
        }
    }

    @Test func aSingleFile() throws {
        try shard("model.safetensors", ["x", "y"])
        let checkpoint = try Checkpoint(directory.path)
        #expect(checkpoint.names == ["x", "y"])
        #expect(checkpoint["y"].map { Array($0.data.bytes) } == [1])
        #expect(checkpoint["z"] == nil)
        #expect(checkpoint.files.map(\.name) == ["model.safetensors"])
    }

    @Test func shardsOfAnIndex() throws {
        try shard("one.safetensors", ["x", "y"])
        try shard("two.safetensors", ["z"])
        try index(["z": "two.safetensors", "x": "one.safetensors", "y": "one.safetensors"])
        let checkpoint = try Checkpoint(directory.path)
        #expect(checkpoint.names == ["x", "y", "z"])
        #expect(
            checkpoint.files.map(\.name) == [
                "model.safetensors.index.json", "one.safetensors", "two.safetensors",
            ])
        for file in checkpoint.files {
            let bytes = try readFile(file.path)
            #expect(file.byteCount == bytes.count)
            #expect(try file.digest() == SHA256.digest(bytes))
        }
    }

    @Test(arguments: ["../../x", "..", ".", "", "/etc/passwd", "sub/one.safetensors", "one\u{0}.safetensors"])
    func shardsStayInTheFolder(name: String) throws {
        try index(["x": .string(name)])
        try expect("leaves the checkpoint's folder")
    }

    /// An index may be wrong as long as every tensor is there once: what is needed decides, not the index.
    @Test func indexesThatDisagreeWithTheirShards() throws {
        try shard("one.safetensors", ["x", "y"])
        try index(["x": "one.safetensors", "y": "one.safetensors", "z": "one.safetensors"])
        try warns(["lists tensors that no file holds: 'z'"], ["x", "y"])
        try index(["x": "one.safetensors"])
        try warns(["does not list tensors that its files hold: 'y'"], ["x", "y"])
        try index(["x": "one.safetensors", "y": "one.safetensors", "z": "two.safetensors"])
        try expect("shard 'two.safetensors' is missing")
        try shard("two.safetensors", ["x", "z"])
        try warns(["in more than one file, with the same content: 'x'"], ["x", "y", "z"])
        try index(["x": "one.safetensors", "y": "two.safetensors"])
        try shard("two.safetensors", [])
        try warns(["puts tensors into other files than hold them: 'y'"], ["x", "y"])
    }

    /// Two files that hold other bytes under one name are of two models.
    @Test func tensorsOfOneNameMustBeTheSame() throws {
        try shard("one.safetensors", ["x", "y"])
        try shard("two.safetensors", ["z", "y", "x"])
        try index(["x": "one.safetensors", "y": "one.safetensors", "z": "two.safetensors"])
        try expect("holds tensor 'x', and one.safetensors holds another of that name")
    }

    private func warns(_ parts: [String], _ names: [String]) throws {
        let checkpoint = try Checkpoint(directory.path)
        #expect(checkpoint.warnings.count == parts.count, "\(checkpoint.warnings)")
        for part in parts {
            #expect(checkpoint.warnings.contains { $0.contains(part) }, "\(checkpoint.warnings)")
        }
        #expect(checkpoint.names == names)
    }

    @Test func indexesThatAreNone() throws {
        let path = directory.file("model.safetensors.index.json")
        for (text, part) in [
            ("{", "not valid JSON"), ("{}", "no weight_map"), (#"{"weight_map":{}}"#, "no weight_map"),
            (#"{"weight_map":[]}"#, "no weight_map"), (#"{"weight_map":{"x":1}}"#, "the shard is no string"),
        ] {
            try putFile(path, Array(text.utf8))
            try expect(part)
        }
    }

    @Test func aStaleIndexIsNamed() throws {
        try shard("model.safetensors", ["x"])
        try index(["x": "one.safetensors"])
        try expect("remove the stale model.safetensors.index.json")
    }

    @Test func saysWhatIsNotThere() throws {
        try expect("holds neither model.safetensors nor")
        try putFile(directory.file("pytorch_model-00001-of-00002.bin"), [])
        try expect("shard 'pytorch_model-00002-of-00002.bin' is missing, one of 2")
        do {
            _ = try Checkpoint(directory.file("absent"))
        } catch let failure {
            #expect(failure.message == "is no folder")
        }
    }

    /// Writes a PyTorch file that holds a tensor named `t`.
    private func torchShard(_ file: String) throws {
        try putFile(directory.file(file), ZipBytes(pickle: PickleBytes.one()).bytes)
    }

    @Test func aSinglePyTorchFile() throws {
        try torchShard("pytorch_model.bin")
        let checkpoint = try Checkpoint(directory.path)
        #expect(checkpoint.names == ["t"])
        #expect(checkpoint["t"].map { Array($0.data.bytes) } == Array(0..<32))
        #expect(checkpoint.files.map(\.name) == ["pytorch_model.bin"])
        try shard("model.safetensors", ["x"])
        #expect(try Checkpoint(directory.path).names == ["x"])
    }

    @Test func shardsOfPyTorch() throws {
        try torchShard("pytorch_model-00001-of-00002.bin")
        let index = JSON.pairs(["weight_map": .pairs(["t": "pytorch_model-00001-of-00002.bin"])])
        let path = directory.file("pytorch_model.bin.index.json")
        try putFile(path, Array(index.serialized().utf8))
        let checkpoint = try Checkpoint(directory.path)
        #expect(checkpoint.names == ["t"])
        #expect(
            checkpoint.files.map(\.name) == [
                "pytorch_model.bin.index.json", "pytorch_model-00001-of-00002.bin",
            ])
        let stale = JSON.pairs(["weight_map": .pairs(["t": "one.bin"])])
        try putFile(path, Array(stale.serialized().utf8))
        try expect("shard 'one.bin' is missing")
        try torchShard("pytorch_model.bin")
        try expect("remove the stale pytorch_model.bin.index.json")
        try shard("model.safetensors", ["x"])
        #expect(try Checkpoint(directory.path).names == ["x"])
    }

    @Test func aFileThatGrewIsNoticed() throws {
        try shard("model.safetensors", ["x"])
        let file = try #require(try Checkpoint(directory.path).files.first)
        try shard("model.safetensors", ["x", "y"])
        #expect(throws: Failure.self) { try file.digest() }
    }
}
