internal import Formats
internal import GroupFormats
public import Storage

extension Recipe {
    /// The names of the recipes that every build knows.
    public static var names: [String] { Formats.recipes.map(\.name) }

    /// The recipe that a user names: one that every build knows, or else a file.
    public init(named name: String) throws(Failure) {
        if let known = Formats.recipes.first(where: { $0.name == name }) {
            try self.init(json: try JSON(parsing: known.json))
            return
        }
        guard Path.exists(name) else {
            throw Failure(
                .usage, "there is no recipe '\(name)'",
                remedy: "use \(Recipe.names.joined(separator: ", ")) or the path of a recipe file")
        }
        do { try self.init(json: try JSON(file: name, limit: 1 << 20)) } catch {
            throw error.located(in: name)
        }
    }

    /// Reads a recipe; a key that it may not have is an error.
    public init(json: JSON) throws(Failure) {
        try json.requireOnly(
            ["name", "description", "rules", "default", "target_bits", "steps"], at: "recipe")
        guard let name = json["name"]?.string, !name.isEmpty else {
            throw .badInput("has no name", at: "recipe")
        }
        guard let elements = json["rules"]?.array else { throw .badInput("is no list", at: "recipe.rules") }
        var rules: [Rule] = []
        for (index, element) in elements.enumerated() {
            rules.append(try Rule(element, "recipe.rules[\(index)]"))
        }
        var fallback = Choice.keep
        if let json = json["default"] {
            try json.requireOnly(["encoding", "solver"], at: "recipe.default")
            fallback = try Choice(json, "recipe.default")
        }
        if let bits = json["target_bits"] {
            guard let bits = bits.double, (1...16).contains(bits) else {
                throw .badInput("is no number from 1 to 16", at: "recipe.target_bits")
            }
        }
        self.init(
            name, summary: try json.text("description", "recipe") ?? "", rules: rules, fallback: fallback,
            targetBits: json["target_bits"]?.double, steps: try Recipe.steps(json["steps"]))
    }

    private static func steps(_ json: JSON?) throws(Failure) -> Set<Step> {
        guard let json else { return [] }
        guard let names = json.strings else { throw .badInput("is no list of names", at: "recipe.steps") }
        return Set(
            try names.map { (name) throws(Failure) in
                guard let step = Step(rawValue: name) else {
                    let known = Step.allCases.map(\.rawValue).joined(separator: ", ")
                    throw .badInput("'\(name)' is unknown; there are \(known)", at: "recipe.steps")
                }
                return step
            })
    }

    /// The same as JSON, everything spelled out.
    public var json: JSON {
        var members: [JSON.Member] = [
            .init("name", .string(name)), .init("description", .string(summary)),
            .init("rules", .array(rules.map(\.json))), .init("default", .object(fallback.members)),
        ]
        if let targetBits { members.append(.init("target_bits", .double(targetBits))) }
        if !steps.isEmpty {
            members.append(
                .init("steps", .array(steps.map(\.rawValue).sorted().map { .string($0) })))
        }
        return .object(members)
    }
}

extension Recipe.Rule {
    fileprivate init(_ json: JSON, _ place: String) throws(Failure) {
        try json.requireOnly(["roles", "blocks", "encoding", "solver"], at: place)
        let roles = json["roles"]
        guard let patterns = roles?.string.map({ [$0] }) ?? roles?.strings, !patterns.isEmpty,
            !patterns.contains("")
        else { throw .badInput("is neither a pattern nor a list of patterns", at: place + ".roles") }
        var blocks: BlockSet?
        if let text = try json.text("blocks", place) {
            guard let set = BlockSet(text) else {
                throw .badInput("'\(text)' is not of the form 0-3,27", at: place + ".blocks")
            }
            blocks = set
        }
        self.init(patterns, blocks: blocks, try Recipe.Choice(json, place))
    }

    fileprivate var json: JSON {
        var members = [JSON.Member("roles", .array(roles.map { .string($0) }))]
        if let blocks { members.append(JSON.Member("blocks", .string(blocks.description))) }
        return .object(members + choice.members)
    }
}

extension Recipe.Choice {
    fileprivate init(_ json: JSON, _ place: String) throws(Failure) {
        let solverText = try json.text("solver", place)
        guard let encoding = json["encoding"] else { throw .badInput("is missing", at: place + ".encoding") }
        if encoding.string == "keep" {
            guard solverText == nil else {
                throw .badInput("means nothing for what is kept", at: place + ".solver")
            }
            self = .keep
            return
        }
        guard encoding.members != nil else {
            throw .badInput(
                "is neither \"keep\" nor {\"bits\", \"group\"} nor {\"bands\"}", at: place + ".encoding")
        }
        var solver: Solver?
        if let solverText {
            guard let named = Solver(rawValue: solverText) else {
                let known = Solver.allCases.map(\.rawValue).joined(separator: ", ")
                throw .badInput("'\(solverText)' is unknown; there are \(known)", at: place + ".solver")
            }
            solver = named
        }
        if encoding["bands"] != nil {
            self = .bands(try RowBands(encoding, place + ".encoding"), solver)
        } else {
            self = .groups(try GroupFormat(encoding, ["bits", "group"], place + ".encoding"), solver)
        }
    }

    fileprivate var members: [JSON.Member] {
        let encoding: JSON =
            switch self {
            case .keep: "keep"
            case .groups(let format, _): .object(format.members)
            case .bands(let bands, _): bands.json
            }
        let solver = solver.map { [JSON.Member("solver", .string($0.rawValue))] }
        return [JSON.Member("encoding", encoding)] + (solver ?? [])
    }
}

extension GroupFormat {
    fileprivate init(_ json: JSON, _ keys: [String], _ place: String) throws(Failure) {
        try json.requireOnly(keys, at: place)
        guard let bits = json["bits"]?.int.flatMap(Bits.init), let group = json["group"]?.int,
            let format = GroupFormat(bits, groupSize: group)
        else {
            throw .badInput(
                "there are no such groups", at: place,
                remedy: "bits 4 or 8 with group 16, 32, 64 or 128; bits 5 or 6 with group 32, 64 or 128")
        }
        self = format
    }

    fileprivate var members: [JSON.Member] {
        [JSON.Member("bits", .int(bits.rawValue)), JSON.Member("group", .int(groupSize))]
    }
}

extension RowBands {
    fileprivate init(_ json: JSON, _ place: String) throws(Failure) {
        try json.requireOnly(["bands"], at: place)
        guard let items = json["bands"]?.array else { throw .badInput("is no list", at: place + ".bands") }
        var formats: [GroupFormat] = []
        var starts: [Int] = []
        for (index, item) in items.enumerated() {
            let place = "\(place).bands[\(index)]"
            formats.append(try GroupFormat(item, ["from", "bits", "group"], place))
            guard let start = item["from"].map(\.int) ?? (index == 0 ? 0 : nil) else {
                throw .badInput("'from' is no number of a row", at: place)
            }
            starts.append(start)
        }
        guard let bands = RowBands(formats, starts: starts) else {
            throw .badInput(
                "do not follow each other", at: place + ".bands",
                remedy:
                    "2 to \(RowBands.limit) bands, the first from row 0, others from larger multiples of 16")
        }
        self = bands
    }

    fileprivate var json: JSON {
        let bands = zip(starts, formats).map { start, format -> JSON in
            .object([JSON.Member("from", .int(start))] + format.members)
        }
        return .pairs(["bands": .array(bands)])
    }
}

extension JSON {
    /// The text under a key that may be absent but nothing else.
    fileprivate func text(_ key: String, _ place: String) throws(Failure) -> String? {
        guard let value = self[key] else { return nil }
        guard let text = value.string else { throw .badInput("is no text", at: "\(place).\(key)") }
        return text
    }
}
