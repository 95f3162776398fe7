extension JSON {
    /// Refuses what is no object, and an object with other keys than these: whoever passes over what it does not know may
    /// do something else than was asked for.
    /// - Throws: `badInput` naming the key and those that are known.
    public func requireOnly(
        _ known: some Collection<String>, at place: String? = nil
    ) throws(Failure) {
        guard let members else { throw .badInput("is no object", at: place) }
        guard let unknown = members.first(where: { !known.contains($0.key) }) else { return }
        throw .badInput(
            "the key '\(unknown.key)' is unknown", at: place,
            remedy: "known: \(known.sorted().joined(separator: ", "))")
    }
}
