import Storage
import TestSupport

@testable import Checkpoints

/// An adapter's folder that a test makes up.
struct AdapterFolder {
    let directory: TemporaryDirectory
    var config: [JSON.Member]
    var tensors: [TestTensor] = []

    init(_ config: [String: JSON] = [:]) throws {
        directory = try TemporaryDirectory()
        self.config = [.init("peft_type", "LORA"), .init("r", 2), .init("lora_alpha", 2)]
        for (key, value) in config { set(key, value) }
    }

    mutating func set(_ key: String, _ value: JSON) {
        config.removeAll { $0.key == key }
        config.append(.init(key, value))
    }

    /// Adds a tensor, whose name is given without `base_model.model.`.
    mutating func add(_ name: String, _ shape: [Int], _ values: [Double], as type: ElementType = .float32) {
        tensors.append(.init("base_model.model.\(name)", type.rawValue, shape, bytes(values, type)))
    }

    /// Adds matrices of small whole numbers, rank 2 unless told otherwise.
    mutating func addPair(_ module: String, rows: Int = 4, columns: Int = 3, rank: Int = 2) {
        add("\(module).lora_A.weight", [rank, columns], (0..<rank * columns).map { Double($0 % 5) - 2 })
        add("\(module).lora_B.weight", [rows, rank], (0..<rows * rank).map { Double($0 % 7) - 3 })
    }

    func write() throws {
        try putFile(directory.file("adapter_config.json"), Array(JSON.object(config).serialized().utf8))
        try writeSafetensors(tensors, to: directory.file("adapter_model.safetensors"))
    }

    func read() throws -> Adapter {
        try write()
        return try Adapter(directory.path)
    }

    /// What reading it is refused with; nil when it is not.
    func refusal() throws -> Failure? {
        do { _ = try read() } catch let failure as Failure { return failure }
        return nil
    }

    /// A weight stored in a file of its own.
    func weight(_ name: String, _ shape: [Int], _ values: [Double], as type: ElementType) throws
        -> StoredWeight
    {
        let path = directory.file("base.safetensors")
        try writeSafetensors([.init(name, type.rawValue, shape, bytes(values, type))], to: path)
        guard let tensor = try SafetensorsFile(path).tensors.first else {
            throw Failure.badInput("holds nothing")
        }
        return StoredWeight(tensor)
    }
}

/// The elements of a tensor, rounded to its type.
func bytes(_ values: [Double], _ type: ElementType) -> [UInt8] {
    func all<T>(_ elements: [T]) -> [UInt8] { elements.withUnsafeBytes { Array($0) } }
    switch type {
    case .float64: return all(values)
    case .float16: return all(values.map { Float16($0) })
    case .bfloat16: return all(values.map { UInt16(truncatingIfNeeded: Float($0).bitPattern >> 16) })
    default: return all(values.map { Float($0) })
    }
}
