import Storage

extension Operation {
    /// The weight of an embedding or a linear, and what it is for.
    public struct WeightUse: Hashable, Sendable {
        /// The name of its slot.
        public let weight: String
        /// What it is for.
        public let role: Role
        /// The number of the transformer block it is in, if any.
        public let block: Int?

        /// A use of a weight; `block` where it is in a transformer block.
        public init(_ weight: String, _ role: Role, block: Int? = nil) {
            self.weight = weight
            self.role = role
            self.block = block
        }

        var attributes: [JSON.Member] {
            [.init("weight", .string(weight)), .init("role", .string(role.description))]
                + (block.map { [.init("block", .int($0))] } ?? [])
        }
    }
}
