import CKernels
import Checkpoints
import Storage

/// Tensors that a reference implementation computed, by name, from a safetensors file.
struct ReferenceFile {
    let path: String
    private let tensors: [String: SourceTensor]

    /// The names of all that the file holds, sorted.
    var names: [String] { tensors.keys.sorted() }

    init(_ path: String) throws(Failure) {
        self.path = path
        var tensors: [String: SourceTensor] = [:]
        for tensor in try SafetensorsFile(path).tensors { tensors[tensor.name] = tensor }
        self.tensors = tensors
    }

    /// The floats of the first of these tensors that is there, and its shape; nil when none is.
    /// - Throws: `badInput` when it holds anything but F32, F16 or BF16, or a value that is not finite.
    func floats(_ names: String...) throws(Failure) -> (values: [Float], shape: [Int])? {
        guard let name = names.first(where: { tensors[$0] != nil }), let tensor = tensors[name] else {
            return nil
        }
        let types: [ElementType: tsr_float_type] = [
            .float32: TSR_F32, .float16: TSR_F16, .bfloat16: TSR_BF16,
        ]
        guard let type = types[tensor.type] else {
            throw .badInput("is no tensor of F32, F16 or BF16", file: path, at: "tensor '\(name)'")
        }
        let bytes = tensor.data.bytes
        let values = [Float](unsafeUninitializedCapacity: tensor.shape.count) { buffer, count in
            if let source = bytes.baseAddress, let target = buffer.baseAddress {
                tsr_to_f32(type, source, tensor.shape.count, target)
            }
            count = tensor.shape.count
        }
        if let index = values.firstIndex(where: { !$0.isFinite }) {
            throw .badInput("holds \(values[index]) at element \(index)", file: path, at: "tensor '\(name)'")
        }
        return (values, tensor.shape.extents)
    }

    /// The integers of the first of these tensors that is there, and its shape; nil when none is.
    /// - Throws: `badInput` when it holds no integers that fit 32 bits.
    func integers(_ names: String...) throws(Failure) -> (values: [Int32], shape: [Int])? {
        guard let name = names.first(where: { tensors[$0] != nil }), let tensor = tensors[name] else {
            return nil
        }
        let bytes = tensor.data.bytes
        var values: [Int32] = []
        for index in 0..<tensor.shape.count {
            let value: Int64
            switch tensor.type {
            case .int64: value = bytes.loadUnaligned(fromByteOffset: index * 8, as: Int64.self)
            case .int32: value = Int64(bytes.loadUnaligned(fromByteOffset: index * 4, as: Int32.self))
            default: throw .badInput("holds no integers", file: path, at: "tensor '\(name)'")
            }
            guard let narrow = Int32(exactly: value) else {
                throw .badInput("holds \(value)", file: path, at: "tensor '\(name)'")
            }
            values.append(narrow)
        }
        return (values, tensor.shape.extents)
    }
}
