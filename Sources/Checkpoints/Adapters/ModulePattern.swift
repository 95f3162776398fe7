internal import Storage

/// Values by patterns of modules' names: `rank_pattern`, `alpha_pattern`.
struct ModulePatterns {
    private let values: [(pattern: ModulePattern, value: Double)]
    /// Steps that matching may still take: names and patterns are a stranger's.
    private var budget = 20_000_000

    /// - Throws: `.badInput` when a pattern cannot be understood, or a value is no number.
    init(_ key: String, _ settings: SettingsReader) throws(Failure) {
        guard let json = settings[key] else {
            values = []
            return
        }
        guard let members = json.members else { throw settings.invalid(key, json) }
        var values: [(pattern: ModulePattern, value: Double)] = []
        for member in members {
            guard let value = member.value.double, value.isFinite else {
                throw settings.invalid("\(key).\(member.key)", member.value)
            }
            do { values.append((try ModulePattern(member.key), value)) } catch {
                throw error.placed(in: key).located(in: settings.file)
            }
        }
        self.values = values
    }

    /// The value of the first pattern that a module's name matches.
    /// - Throws: `.badInput` when that takes too long to find out.
    mutating func value(of module: String) throws(Failure) -> Double? {
        let name = Array(module.utf8)
        for (pattern, value) in values where try pattern.matches(name, &budget) { return value }
        return nil
    }
}

/// An expression that the whole name of a module matches, or what follows one of its dots.
///
/// As PEFT matches it, `(.*\.)?(pattern)$`. All places of the name that the expression can have come to are followed at once,
/// so that no expression takes exponential time.
struct ModulePattern {
    /// What an expression is made of.
    indirect enum Node {
        case byte(Set<UInt8>)
        /// The beginning of the name.
        case start
        case end
        case sequence([Node])
        case choice([Node])
        case repeated(Node, Range<Int>)
    }

    private let expression: Node
    /// What the last bytes of a name must be, the last one first: most names are told apart by them.
    private let tail: [Set<UInt8>]

    init(_ text: String) throws(Failure) {
        guard text.utf8.count <= 512 else {
            throw .badInput("'\(text.prefix(64))…' is too long for an expression")
        }
        expression = try ModulePatternParser.parse(text)
        guard case .sequence(let nodes) = expression else {
            tail = []
            return
        }
        var tail: [Set<UInt8>] = []
        for case .byte(let bytes) in nodes.reversed().prefix(while: {
            if case .byte = $0 { true } else { false }
        }) {
            tail.append(bytes)
        }
        self.tail = tail
    }

    /// - Parameter budget: steps that may be taken, less those that were.
    func matches(_ name: [UInt8], _ budget: inout Int) throws(Failure) -> Bool {
        budget -= 1
        guard tail.count <= name.count, zip(tail, name.reversed()).allSatisfy({ $0.contains($1) }) else {
            return false
        }
        let starts = (0...name.count).filter { $0 == 0 || name[$0 - 1] == UInt8(ascii: ".") }
        return try ends(expression, from: Set(starts), name, &budget).contains(name.count)
    }

    /// Where matching can end that begins at any of some places.
    private func ends(
        _ node: Node, from places: Set<Int>, _ name: [UInt8], _ budget: inout Int
    ) throws(Failure) -> Set<Int> {
        guard !places.isEmpty else { return [] }
        budget -= places.count
        guard budget > 0 else {
            throw .badInput(
                "the expressions of rank_pattern and alpha_pattern take too long to match",
                remedy: Adapter.mergeWithPeft)
        }
        switch node {
        case .byte(let bytes):
            return Set(places.filter { $0 < name.count && bytes.contains(name[$0]) }.map { $0 + 1 })
        case .start: return places.intersection([0])
        case .end: return places.intersection([name.count])
        case .sequence(let nodes):
            var places = places
            for node in nodes { places = try ends(node, from: places, name, &budget) }
            return places
        case .choice(let nodes):
            var found: Set<Int> = []
            for node in nodes { found.formUnion(try ends(node, from: places, name, &budget)) }
            return found
        case .repeated(let node, let counts):
            var found: Set<Int> = counts.lowerBound == 0 ? places : []
            var (latest, count) = (places, 0)
            while !latest.isEmpty, count < counts.upperBound - 1 {
                latest = try ends(node, from: latest, name, &budget)
                count += 1
                guard count >= counts.lowerBound else { continue }
                latest.subtract(found)
                found.formUnion(latest)
            }
            return found
        }
    }
}
