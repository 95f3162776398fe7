public import Storage

/// A weight of a checkpoint under the name that full precision gives it, whatever tensors it is stored as.
public struct StoredWeight: Sendable {
    /// How its numbers are stored.
    public enum Form: Sendable {
        /// As they are, in one tensor.
        case plain(SourceTensor)
        /// As something that they follow from.
        case derived(any DerivedWeight)
        /// Elsewhere: only a manifest of it is here.
        case described(ElementType)
    }

    /// As a checkpoint of full precision names it.
    public let name: String
    /// Outermost extent first; N before K.
    public let shape: Shape
    /// How its numbers are stored.
    public let form: Form

    /// A weight that is stored as it is.
    public init(_ tensor: SourceTensor) { self.init(tensor, named: tensor.name) }

    /// A weight that is stored as it is, in a tensor that is not called as full precision has it.
    init(_ tensor: SourceTensor, named name: String) {
        self.name = name
        shape = tensor.shape
        form = .plain(tensor)
    }

    /// A weight that follows from what is stored.
    public init(_ derived: any DerivedWeight) {
        name = derived.name
        shape = derived.shape
        form = .derived(derived)
    }

    /// A weight of which only this is known.
    init(describing name: String, _ type: ElementType, _ shape: Shape) {
        self.name = name
        self.shape = shape
        form = .described(type)
    }

    /// The names of the tensors that it is stored as.
    public var sources: [String] {
        switch form {
        case .plain(let tensor): [tensor.name]
        case .derived(let derived): derived.sources
        case .described: [name]
        }
    }

    /// What its numbers are when read; codes are made into float32.
    public var type: ElementType {
        switch form {
        case .plain(let tensor): tensor.type
        case .derived(let derived): derived.type
        case .described(let type): type
        }
    }
}
