internal import Storage

/// Reads an object of `quantization_config`, naming the key at which something is wrong.
struct QuantizationKeys {
    let json: JSON
    private let file: String
    private let path: String

    init(_ json: JSON, file: String, path: String = "quantization_config") {
        self.json = json
        self.file = file
        self.path = path
    }

    /// Whether there is a value other than null.
    func has(_ key: String) -> Bool { json[key] != nil }

    func word(_ key: String, default fallback: String? = nil) throws(Failure) -> String {
        guard let value = json[key] else {
            guard let fallback else { throw failure(key, "is missing") }
            return fallback
        }
        guard let word = value.string else { throw failure(key, "is \(value.serialized()), not a string") }
        return word
    }

    func flag(_ key: String, default fallback: Bool) throws(Failure) -> Bool {
        guard let value = json[key] else { return fallback }
        guard let flag = value.bool else {
            throw failure(key, "is \(value.serialized()), neither true nor false")
        }
        return flag
    }

    func int(_ key: String) throws(Failure) -> Int {
        guard let value = json[key] else { throw failure(key, "is missing") }
        guard let int = value.int else { throw failure(key, "is \(value.serialized()), not a whole number") }
        return int
    }

    /// How many bits codes have.
    func bits(_ key: String, _ supported: ClosedRange<Int>) throws(Failure) -> Int {
        let bits = try int(key)
        guard supported.contains(bits) else {
            throw unsupported(key, "\(supported.lowerBound) to \(supported.upperBound) bits")
        }
        return bits
    }

    /// A size of groups along K; −1 is the whole row.
    func groupSize(_ key: String) throws(Failure) -> GroupSize {
        let size = try int(key)
        guard size == -1 || (1...1 << 24).contains(size) else {
            throw failure(key, "is \(size), neither a size nor -1")
        }
        return size == -1 ? .wholeRow : .columns(size)
    }

    /// Rows and columns of a block, as two numbers.
    func blocks(_ key: String) throws(Failure) -> Float8Scales {
        guard let sizes = json[key]?.ints, sizes.count == 2, sizes.allSatisfy({ (1...1 << 24).contains($0) })
        else { throw failure(key, "is \(json[key]?.serialized() ?? "missing"), not the sizes of a block") }
        return .blocks(rows: sizes[0], columns: sizes[1])
    }

    /// The object under `key`, or nil when absent.
    func object(_ key: String) throws(Failure) -> QuantizationKeys? {
        guard let value = json[key] else { return nil }
        guard value.members != nil else { throw failure(key, "is no object") }
        return QuantizationKeys(value, file: file, path: path.isEmpty ? key : "\(path).\(key)")
    }

    func required(_ key: String) throws(Failure) -> QuantizationKeys {
        guard let object = try object(key) else { throw failure(key, "is missing") }
        return object
    }

    /// The objects in the object under `key`, at least one.
    func groups(_ key: String) throws(Failure) -> [QuantizationKeys] {
        let all = try required(key)
        var groups: [QuantizationKeys] = []
        for member in all.json.members ?? [] { groups.append(try all.required(member.key)) }
        guard !groups.isEmpty else { throw failure(key, "is empty") }
        return groups
    }

    func unsupported(_ key: String, _ supported: String) -> Failure {
        failure(
            key, "is \(json[key]?.serialized() ?? "missing")", remedy: "supported: \(supported)")
    }

    func failure(_ key: String, _ problem: String, remedy: String? = nil) -> Failure {
        .badInput(problem, file: file, at: path.isEmpty ? key : "\(path).\(key)", remedy: remedy)
    }
}
