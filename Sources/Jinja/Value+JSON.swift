public import Storage

extension Value {
    /// The value that a JSON text stands for. Its strings, keys too, get the origin.
    public init(json: JSON, origin: Int?) {
        switch json {
        case .null: self = .none
        case .bool(let value): self = .bool(value)
        case .int(let value): self = .int(value)
        case .double(let value): self = .double(value)
        case .string(let value): self = .string(MarkedText(value, origin: origin))
        case .array(let elements): self = .list(List(elements.map { Value(json: $0, origin: origin) }))
        case .object(let members):
            var dict = Dict()
            for member in members {
                dict.set(
                    .string(MarkedText(member.key, origin: origin)),
                    to: Value(json: member.value, origin: origin))
            }
            self = .dict(dict)
        }
    }
}
