public import Storage

/// What became of every setting of a checkpoint's files.
///
/// A ledger exists only when none of them would make the model answer otherwise than here: such a setting is refused,
/// unless the user has named it to be passed over.
public struct SettingsLedger: Sendable {
    /// What became of a setting.
    public enum Fate: String, Sendable {
        /// It does what it says.
        case obeyed
        /// Nothing that a model computes depends on it.
        case noDifference = "no_difference"
        /// It is left out; the default of the class that reads it was taken.
        case assumed
        /// It is passed over, which deserves a warning.
        case passedOver = "passed_over"
    }

    /// A setting and what became of it.
    public struct Setting: Sendable {
        /// The file's name.
        public let file: String
        /// The keys that lead to it, joined by dots.
        public let path: String
        /// Its value; where it is left out, the one taken.
        public let value: JSON
        /// What became of it.
        public let fate: Fate
        /// What the user should know of it; nil for nothing.
        public let remark: String?
    }

    /// In the order of the files and within them.
    public private(set) var settings: [Setting] = []
    /// Settings that the user wants passed over, as `FILE:KEY`.
    private let ignored: Set<String>

    /// An empty ledger.
    /// - Parameter ignored: settings to pass over although the model would answer otherwise, as `config.json:KEY`.
    init(ignoring ignored: Set<String>) { self.ignored = ignored }

    /// Enters every setting of a file that was read.
    /// - Parameters:
    ///   - rules: the list of `formats/settings/` for the settings that nothing asked for.
    ///   - unproven: paths whose defaults nothing in the checkpoint proves.
    /// - Throws: `badInput` naming the settings that would make a difference and are not supported.
    mutating func enter(
        _ reader: SettingsReader, _ rules: [UInt8], unproven: Set<String> = []
    ) throws(Failure) {
        let rules = try SettingRules(rules)
        let name = Path.name(reader.file)
        var refused: [(path: String, value: JSON)] = []
        func setting(_ path: String, _ value: JSON, _ fate: Fate, _ remark: String? = nil) -> Setting {
            Setting(file: name, path: path, value: value, fate: fate, remark: remark)
        }
        settings += reader.read.map { setting($0.path, $0.value, .obeyed) }
        for (path, value) in reader.unread {
            switch rules.verdict(on: path, value) {
            case _ where ignored.contains("\(name):\(path)"):
                settings.append(setting(path, value, .passedOver, "is passed over, as you wish"))
            // Some releases write the decoder's settings twice; those within `text_config` count.
            case _ where reader.json["text_config"]?[path] == value, .noDifference:
                settings.append(setting(path, value, .noDifference))
            case .unknown: settings.append(setting(path, value, .passedOver, "is not known, and passed over"))
            case .unsupported: refused.append((path, value))
            }
        }
        enterAssumed(of: reader, unproven: unproven)
        try SettingsLedger.refuse(refused, of: reader.file)
    }

    /// Enters the settings that a file leaves out, with the defaults that were taken.
    mutating func enterAssumed(of reader: SettingsReader, unproven: Set<String>) {
        for (path, value) in reader.assumed {
            let remark =
                "is left out: \(SettingsLedger.text(value)) was taken, which nothing in the checkpoint proves"
            settings.append(
                Setting(
                    file: Path.name(reader.file), path: path, value: value, fate: .assumed,
                    remark: unproven.contains(path) ? remark : nil))
        }
    }

    /// Refuses settings of a file that another file's list knows to make a difference, and enters none.
    func refuseUnsupported(_ reader: SettingsReader, by rules: [UInt8]) throws(Failure) {
        let rules = try SettingRules(rules)
        let name = Path.name(reader.file)
        let refused = (reader.json.members ?? []).filter { member in
            member.value != .null && !ignored.contains("\(name):\(member.key)")
                && rules.verdict(on: member.key, member.value) == .unsupported
        }
        try SettingsLedger.refuse(refused.map { ($0.key, $0.value) }, of: reader.file)
    }

    private static func refuse(_ refused: [(path: String, value: JSON)], of file: String) throws(Failure) {
        let words = refused.map { "'\($0.path)' is \(text($0.value))" }
        guard let first = words.first, let path = refused.first?.path else { return }
        let others = words.count > 1 ? "; and so would " + words.dropFirst().joined(separator: ", ") : ""
        throw .badInput(
            "\(first), which would make a difference and is not supported\(others)", file: file,
            remedy: "if it may be passed over, give --ignore-setting \(Path.name(file)):\(path)")
    }

    /// What the user should know.
    public var warnings: [String] {
        let passedOver = Set(settings.filter { $0.fate == .passedOver }.map { "\($0.file):\($0.path)" })
        let idle = ignored.subtracting(passedOver).sorted().map {
            "--ignore-setting \($0) names nothing that is passed over"
        }
        return idle
            + settings.compactMap { setting in
                setting.remark.map {
                    setting.fate == .assumed
                        ? "\(setting.file): '\(setting.path)' \($0)"
                        : "\(setting.file): '\(setting.path)' (\(SettingsLedger.text(setting.value))) \($0)"
                }
            }
    }

    /// `64 settings: 31 obeyed, 30 without effect, 2 left out, 1 passed over`.
    public var summary: String {
        func count(_ fate: Fate) -> Int { settings.count { $0.fate == fate } }
        return "\(settings.count - count(.assumed)) settings: \(count(.obeyed)) obeyed, "
            + "\(count(.noDifference)) without effect, \(count(.passedOver)) passed over; \(count(.assumed)) left out"
    }

    /// The ledger as it is kept in the bundle.
    public var json: JSON {
        func list(_ fate: Fate) -> JSON {
            .array(
                settings.filter { $0.fate == fate }.map { setting in
                    .pairs([
                        "file": .string(setting.file), "key": .string(setting.path),
                        "value": .string(SettingsLedger.text(setting.value)),
                    ])
                })
        }
        return .pairs([
            "summary": .string(summary), "obeyed": list(.obeyed), "no_difference": list(.noDifference),
            "assumed": list(.assumed), "passed_over": list(.passedOver),
        ])
    }

    /// A value, cut where it is long.
    private static func text(_ value: JSON) -> String {
        let text = value.serialized()
        return text.unicodeScalars.count <= 60
            ? text : String(String.UnicodeScalarView(text.unicodeScalars.prefix(56))) + " ..."
    }
}
