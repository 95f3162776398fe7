import Storage

/// What two bundles prepare differently: prompts, pictures, sampling.
struct SettingsDifference {
    private(set) var findings: [Finding] = []

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
            Finding(.promptSettings, stage: path, words, remedy: SettingsDifference.remedy))
    }

    private mutating func compare(_ base: JSON, _ other: JSON, _ path: String) {
        // What a template is called, which is the file that it comes of, changes nothing.
        guard base != other, path != "prompt.chat_template.name" else { return }
        if let first = base.double, let second = other.double, first == second { return }
        if base.members != nil, other.members != nil {
            var keys = (base.members ?? []).map(\.key)
            keys += (other.members ?? []).map(\.key).filter { !keys.contains($0) }
            for key in keys { compare(base[key] ?? .null, other[key] ?? .null, "\(path).\(key)") }
            return
        }
        let (first, second) = SettingsDifference.shown(base, other)
        let isReversed = base.array.map { $0.count > 1 && Array($0.reversed()) == other.array } ?? false
        let isColours = path.hasSuffix("mean") || path.hasSuffix("std")
        let hint = isReversed && isColours ? ": red and blue are exchanged" : ""
        add(path, "the setting \(path) is \(first) in the base and \(second) in the other\(hint)")
    }

    /// Two values in a few words each, from shortly before they part.
    private static func shown(_ base: JSON, _ other: JSON) -> (String, String) {
        let texts = [base, other].map { $0 == .null ? "not there" : $0.serialized() }
        let common = zip(texts[0], texts[1]).prefix { $0 == $1 }.count
        let skipped = texts.contains { $0.count > 60 } ? max(0, common - 20) : 0
        let shown = texts.map { text in
            let rest = text.dropFirst(skipped)
            return (skipped > 0 ? "..." : "") + (rest.count > 60 ? rest.prefix(57) + "..." : rest)
        }
        return (shown[0], shown[1])
    }
}
