/// Reads the settings of a file, one object of them at a time, saying in which file and under which key something is missing
/// or impossible. It remembers which settings were asked for, so that none is passed over in silence.
///
/// A setting that the file leaves out comes from `defaults`, whose objects mirror those of the file.
public struct SettingsReader {
    /// What was asked of a file, by the keys that lead there. All readers of a file share one.
    private final class Log {
        var read: Set<String> = []
        var entered: Set<String> = []
        var assumed: [(path: String, value: JSON)] = []
    }

    /// The file, for messages.
    public let file: String
    /// The keys that lead to this object, a dot behind each.
    public let path: String
    /// The object as it stands; to look at it here is to ask for nothing.
    public let json: JSON
    private let defaults: JSON
    private let log: Log

    /// A reader of a file's whole content.
    /// - Parameter defaults: what holds where the file says nothing.
    public init(_ json: JSON, file: String, defaults: JSON = .object([])) {
        self.init(json, file: file, path: "", defaults: defaults, log: Log())
    }

    /// A reader of the JSON file at a path.
    /// - Throws: `badInput` when it holds no object.
    public init(file: String, limit: Int = 256 << 20) throws(Failure) {
        let json = try JSON(file: file, limit: limit)
        guard json.members != nil else { throw .badInput("is no JSON object", file: file) }
        self.init(json, file: file)
    }

    private init(_ json: JSON, file: String, path: String, defaults: JSON, log: Log) {
        self.json = json
        self.file = file
        self.path = path
        self.defaults = defaults
        self.log = log
    }

    /// The value of `key`, stated or by default; nil when there is neither, or null is stated and there is no default.
    public subscript(key: String) -> JSON? {
        if let value = stated(key) { return value }
        guard let value = defaults[key] else { return nil }
        if !log.assumed.contains(where: { $0.path == path + key }) { log.assumed.append((path + key, value)) }
        return value
    }

    /// The value of `key` that the file itself states; null is none.
    public func stated(_ key: String) -> JSON? {
        log.read.insert(path + key)
        return json[key]
    }

    /// The object that the file states under `key`, or nil when there is none.
    public func object(_ key: String) -> SettingsReader? {
        guard let object = json[key], object.members != nil else { return nil }
        log.entered.insert(path + key)
        return SettingsReader(
            object, file: file, path: path + key + ".", defaults: defaults[key] ?? .object([]), log: log)
    }

    /// Settings of the whole file that nobody asked for, by the keys that lead there, in the file's order. Null is none.
    public var unread: [(path: String, value: JSON)] { settings { !$0 } }

    /// Settings of the whole file that somebody asked for, as ``unread``.
    public var read: [(path: String, value: JSON)] { settings { $0 } }

    /// Settings that the file leaves out and that were asked for, with the default that was taken.
    public var assumed: [(path: String, value: JSON)] { log.assumed }

    private func settings(where isTaken: (Bool) -> Bool) -> [(path: String, value: JSON)] {
        (json.members ?? []).flatMap { member -> [(path: String, value: JSON)] in
            let path = path + member.key
            guard member.value != .null else { return [] }
            guard log.entered.contains(path), member.value.members != nil else {
                return isTaken(log.read.contains(path)) ? [(path, member.value)] : []
            }
            let inner = SettingsReader(
                member.value, file: file, path: path + ".", defaults: .null, log: log)
            return inner.settings(where: isTaken)
        }
    }
}

extension SettingsReader {
    /// A positive integer under the first of `keys` that is there.
    /// - Throws: `badInput` when it is missing or no such number.
    public func int(_ keys: String..., default fallback: Int? = nil) throws(Failure) -> Int {
        guard let (key, value) = first(of: keys) else {
            guard let fallback else { throw missing(keys[0]) }
            return fallback
        }
        guard let int = value.int, (1...1 << 32).contains(int) else { throw invalid(key, value) }
        return int
    }

    /// A token id under `key`: zero is one.
    /// - Throws: `badInput` when it is missing or no id.
    public func token(_ key: String) throws(Failure) -> Int32 {
        guard let value = self[key] else { throw missing(key) }
        guard let int = value.int, int >= 0, let id = Int32(exactly: int) else { throw invalid(key, value) }
        return id
    }

    /// A positive number under the first of `keys` that is there.
    /// - Throws: `badInput` when it is missing or no such number.
    public func real(_ keys: String..., default fallback: Double? = nil) throws(Failure) -> Double {
        guard let (key, value) = first(of: keys) else {
            guard let fallback else { throw missing(keys[0]) }
            return fallback
        }
        guard let real = value.double, real.isFinite, real > 0 else { throw invalid(key, value) }
        return real
    }

    /// The first of `keys` that the file states, or else that has a default.
    private func first(of keys: [String]) -> (key: String, value: JSON)? {
        for key in keys { if let value = stated(key) { return (key, value) } }
        for key in keys { if let value = self[key] { return (key, value) } }
        return nil
    }

    /// Integers under `key`.
    /// - Throws: `badInput` when it is missing or something else.
    public func ints(_ key: String) throws(Failure) -> [Int] {
        guard let value = self[key] else { throw missing(key) }
        guard let ints = value.ints else { throw invalid(key, value) }
        return ints
    }

    /// Yes or no under `key`; nil when absent.
    /// - Throws: `badInput` when it is something else.
    public func bool(_ key: String) throws(Failure) -> Bool? {
        guard let value = self[key] else { return nil }
        guard let bool = value.bool else { throw invalid(key, value) }
        return bool
    }

    /// Refuses a value of `key` other than `supported`; absent is fine.
    public func require(_ key: String, _ supported: JSON) throws(Failure) {
        if let value = self[key], value != supported {
            throw .badInput(
                "'\(path)\(key)' is \(value.serialized()); only \(supported.serialized()) is supported",
                file: file)
        }
    }

    /// That `key` is missing.
    public func missing(_ key: String) -> Failure { .badInput("lacks '\(path)\(key)'", file: file) }

    /// That `key` cannot have this value.
    public func invalid(_ key: String, _ value: JSON) -> Failure {
        .badInput("has the impossible '\(path)\(key)': \(value.serialized())", file: file)
    }
}
