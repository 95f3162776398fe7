import Storage

/// What two bundles prepare differently: prompts, pictures, sampling.
struct SettingsDifference {
    private(set) var findings: [WeightFinding] = []

    /// Settings beyond these are only counted.
    private static let most = 20
    private static let remedy =
        "convert both from folders with the same preprocessor_config.json, chat template and generation_config.json"

    /// Compares what two bundles' metadata say, and their tokenizers.
    init(_ base: JSON, _ other: JSON, sameTokenizer: Bool) {
        for section in ["prompt", "sampling"] {
            compare(base[section] ?? .null, other[section] ?? .null, section)
        }
        if !sameTokenizer { add("tokenizer", "the tokenizers differ") }
        if findings.count > SettingsDifference.most {
            let more = findings.count - SettingsDifference.most
            findings.removeLast(more)
            add("prompt", "\(more) more settings differ")
        }
    }

    private mutating func add(_ path: String, _ words: String) {
        findings.append(
            WeightFinding(.promptSettings, stage: path, words, remedy: SettingsDifference.remedy))
    }

    private mutating func compare(_ base: JSON, _ other: JSON, _ path: String) {
        guard base != other else { return }
        if let first = base.double, let second = other.double, first == second { return }
        if base.members != nil, other.members != nil {
            var keys = (base.members ?? []).map(\.key)
            keys += (other.members ?? []).map(\.key).filter { !keys.contains($0) }
            for key in keys { compare(base[key] ?? .null, other[key] ?? .null, "\(path).\(key)") }
            return
        }
        let (first, second) = (SettingsDifference.shown(base), SettingsDifference.shown(other))
        let isReversed = base.array.map { $0.count > 1 && Array($0.reversed()) == other.array } ?? false
        let isColours = path.hasSuffix("mean") || path.hasSuffix("std")
        let hint = isReversed && isColours ? ": red and blue are exchanged" : ""
        add(path, "the setting \(path) is \(first) in the base and \(second) in the other\(hint)")
    }

    /// A value in a few words.
    private static func shown(_ json: JSON) -> String {
        let text = json == .null ? "not there" : json.serialized()
        return text.count > 60 ? text.prefix(57) + "..." : text
    }
}
