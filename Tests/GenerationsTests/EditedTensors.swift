import Checkpoints
import Storage
import TestSupport

/// A copy of a fixture's checkpoint as one file, whose tensors and files a test may change.
struct EditedTensors {
    private let directory: TemporaryDirectory
    var tensors: [TestTensor]
    var path: String { directory.path }

    init(_ fixture: String = "qwen2-vl") throws {
        directory = try TemporaryDirectory()
        let source = Fixtures.path("\(fixture)/published")
        for name in try Path.list(source) where !name.contains("model") {
            try putFile(directory.file(name), try readFile(Path.join(source, name)))
        }
        tensors = try Checkpoint(source).tensors.map { tensor in
            TestTensor(tensor.name, tensor.type.rawValue, tensor.shape.extents, Array(tensor.data.bytes))
        }
    }

    /// Writes the tensors as they are now.
    func write() throws { try writeSafetensors(tensors, to: directory.file("model.safetensors")) }

    func file(_ name: String) -> String { directory.file(name) }

    func put(_ name: String, _ text: String) throws { try putFile(directory.file(name), Array(text.utf8)) }

    /// Renames every tensor.
    mutating func rename(_ name: (String) -> String) {
        tensors = tensors.map { TestTensor(name($0.name), $0.type, $0.shape, $0.bytes) }
    }

    mutating func add(_ name: String, _ type: String = "F32", _ shape: [Int] = [2], bytes: Int = 8) {
        tensors.append(TestTensor(name, type, shape, [UInt8](repeating: 0, count: bytes)))
    }
}
