import Storage

/// Reads `config.json`, saying in which file and under which key something is missing or impossible.
struct ConfigReader {
    let json: JSON
    let file: String
    /// The keys that lead here, for messages.
    let path: String

    init(_ json: JSON, file: String, path: String = "") {
        self.json = json
        self.file = file
        self.path = path
    }

    /// The object under `key`, or nil when absent.
    func object(_ key: String) -> ConfigReader? {
        json[key]?.members == nil
            ? nil : json[key].map { ConfigReader($0, file: file, path: path + key + ".") }
    }

    /// A positive integer under the first of `keys` that is there.
    func int(_ keys: String..., default fallback: Int? = nil) throws(Failure) -> Int {
        for key in keys {
            guard let value = json[key] else { continue }
            guard let int = value.int, (1...1 << 32).contains(int) else { throw invalid(key, value) }
            return int
        }
        guard let fallback else { throw missing(keys[0]) }
        return fallback
    }

    /// A token id under `key`: zero is one.
    func token(_ key: String) throws(Failure) -> Int32 {
        guard let value = json[key] else { throw missing(key) }
        guard let int = value.int, int >= 0, let id = Int32(exactly: int) else { throw invalid(key, value) }
        return id
    }

    /// A positive number under the first of `keys` that is there.
    func real(_ keys: String..., default fallback: Double? = nil) throws(Failure) -> Double {
        for key in keys {
            guard let value = json[key] else { continue }
            guard let real = value.double, real.isFinite, real > 0 else { throw invalid(key, value) }
            return real
        }
        guard let fallback else { throw missing(keys[0]) }
        return fallback
    }

    /// Refuses a value of `key` other than `supported`; absent is fine.
    func require(_ key: String, _ supported: JSON) throws(Failure) {
        if let value = json[key], value != supported {
            throw .badInput(
                "'\(path)\(key)' is \(value.serialized()); only \(supported.serialized()) is supported",
                file: file)
        }
    }

    func missing(_ key: String) -> Failure { .badInput("lacks '\(path)\(key)'", file: file) }

    func invalid(_ key: String, _ value: JSON) -> Failure {
        .badInput("has the impossible '\(path)\(key)': \(value.serialized())", file: file)
    }
}
