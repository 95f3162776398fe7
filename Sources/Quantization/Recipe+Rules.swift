public import GraphIR
public import Storage

extension Recipe {
    /// The recipe that a user names for a model: one that every build knows, or else a file.
    /// - Throws: `usage` when there is none of that name, `badInput` when a file is no recipe or has a rule that can never apply.
    public init(named name: String, for model: ModelGraph) throws(Failure) {
        try self.init(named: name)
        do { try checkRules(for: model) } catch { throw error.located(in: name) }
    }

    /// Refuses rules that can never apply to a model: of roles that no weight of any model has, of blocks that are not there, and
    /// those before which others decide all that they fit.
    ///
    /// A rule for roles that only other models have may stay: one recipe may be meant for several.
    /// - Throws: `badInput` naming the rule.
    public func checkRules(for model: ModelGraph) throws(Failure) {
        let uses = model.uses
        let roles = Set(uses.map(\.role))
        for (index, rule) in rules.enumerated() {
            let place = "recipe.rules[\(index)]"
            for pattern in rule.roles
            where !roles.union(Role.known).contains(where: { $0.matches(pattern) }) {
                throw .badInput(
                    "can never apply: no weight has a role that '\(pattern)' fits", at: "\(place).roles",
                    remedy: "tessera-inspect prints the roles of a model")
            }
            let own = uses.filter { rule.fits($0) }
            if own.isEmpty, let blocks = rule.blocks {
                let there = uses.filter { use in rule.roles.contains { use.role.matches($0) } }
                guard !there.isEmpty else { continue }
                let known =
                    BlockSet(there.compactMap(\.block)).map { "; these roles are in blocks \($0)" } ?? ""
                throw .badInput(
                    "can never apply: the model has no block \(blocks) of these roles\(known)",
                    at: "\(place).blocks")
            }
            let deciding = Set(own.compactMap { use in rules.firstIndex { $0.fits(use) } })
            guard own.isEmpty || deciding.contains(index) else {
                let others = deciding.sorted().map { "rules[\($0)]" }.joined(separator: ", ")
                throw .badInput(
                    "can never apply: \(others) before it decides all that it fits", at: place,
                    remedy: "the first rule that fits decides; put the particular before the general")
            }
        }
    }

    /// The recipe without rules that decide nothing in a model.
    func withoutIdleRules(for model: ModelGraph) -> Recipe {
        let deciding = Set(model.uses.compactMap { use in rules.firstIndex { $0.fits(use) } })
        return Recipe(
            name, summary: summary,
            rules: rules.indices.filter(deciding.contains).map { rules[$0] }, fallback: fallback,
            targetBits: targetBits, steps: steps)
    }
}
