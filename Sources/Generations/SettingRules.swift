import Storage

/// What is known of the settings of a file that nothing asks for; read from `formats/settings/`.
struct SettingRules {
    /// What a setting that nothing asks for means.
    enum Verdict {
        /// It changes nothing that a model computes.
        case noDifference
        /// It would change what a model computes, and is not supported.
        case unsupported
        /// Nobody knows.
        case unknown
    }

    /// Rules for the keys of some objects of a file.
    private struct Group {
        /// The keys that lead to the objects, joined by dots.
        let objects: [String]
        let noDifference: Set<String>
        /// By key, the values with which it makes no difference.
        let neutral: [String: [JSON]]
    }

    private let groups: [Group]

    /// Reads a list of `formats/settings/`.
    init(_ text: [UInt8]) throws(Failure) {
        groups = try (JSON(parsing: text)["objects"]?.array ?? []).map { (json) throws(Failure) in
            guard let objects = json["at"]?.strings else {
                throw .badInput("a list of settings is malformed")
            }
            var neutral: [String: [JSON]] = [:]
            for member in json["neutral"]?.members ?? [] { neutral[member.key] = member.value.array ?? [] }
            return Group(
                objects: objects, noDifference: Set(json["no_difference"]?.strings ?? []), neutral: neutral)
        }
    }

    /// What a setting means that stands at `path`, keys joined by dots.
    func verdict(on path: String, _ value: JSON) -> Verdict {
        let cut = path.lastIndex(of: ".")
        let (object, key) = (
            cut.map { String(path[..<$0]) } ?? "", cut.map { String(path[$0...].dropFirst()) } ?? path
        )
        var isKnown = false
        for group in groups where group.objects.contains(object) {
            if group.noDifference.contains(key) { return .noDifference }
            guard let neutral = group.neutral[key] else { continue }
            isKnown = true
            if SettingRules.isNeutral(value, neutral) { return .noDifference }
        }
        return isKnown ? .unsupported : .unknown
    }

    /// Whether a value is one of those, or a list of nothing else.
    private static func isNeutral(_ value: JSON, _ neutral: [JSON]) -> Bool {
        if let elements = value.array { return elements.allSatisfy { isNeutral($0, neutral) } }
        return neutral.contains { $0 == value || ($0.double != nil && $0.double == value.double) }
    }
}
