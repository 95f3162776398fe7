public import Checkpoints
public import Storage

/// Tensors by which a model drafts tokens for itself (`mtp.*`): no plan uses them, and a bundle can carry them along.
public struct DraftingTensors: Sendable {
    private let tensors: [SourceTensor]
    /// Why they cannot be handed on as they are; nil where they can.
    private let obstacle: String?
    private let directory: String

    /// - Parameter hasWholeNorms: whether another tool added 1 to norms.
    init(_ checkpoint: Checkpoint, _ table: NameTable, hasWholeNorms: Bool) {
        func isOne(_ name: String) -> Bool { table.reasonToLeaveOut(name) != nil }
        tensors = checkpoint.tensors.filter { isOne($0.name) }
        directory = checkpoint.directory
        let floats: Set<ElementType> = [.float32, .float16, .bfloat16]
        obstacle =
            if checkpoint.container == .gguf {
                "a model in GGUF has none as they were published"
            } else if let other = checkpoint.passedOver.first(where: { isOne($0.name) }) {
                "'\(other.name)' is \(other.kind), which there is no reader for"
            } else if let packed = tensors.first(where: { !floats.contains($0.type) }) {
                "'\(packed.name)' is of \(packed.type.rawValue): what says how it is packed would be left behind"
            } else if tensors.isEmpty {
                "the checkpoint has none"
            } else if hasWholeNorms {
                "another tool added 1 to the checkpoint's norms, and to which of these nothing says"
            } else { nil }
    }

    /// All of them, in the order of the checkpoint.
    /// - Throws: `usage` when there are none, or when they cannot be handed on as they were published.
    public func all() throws(Failure) -> [SourceTensor] {
        guard let obstacle else { return tensors }
        throw Failure(
            .usage, "tensors that draft tokens cannot be carried along: \(obstacle)", file: directory,
            remedy: "leave out --keep-mtp")
    }
}
