import Storage

/// The attributes of an operation as a file has them.
struct OperationAttributes {
    private let json: JSON

    init(_ json: JSON) { self.json = json }

    /// Whether there is one of that name.
    func has(_ key: String) -> Bool { json[key] != nil }

    func text(_ key: String) throws(Failure) -> String {
        guard let value = json[key]?.string else { throw .badInput("lacks the text '\(key)'") }
        return value
    }

    /// A count or a number of something.
    func int(_ key: String) throws(Failure) -> Int {
        guard let value = json[key]?.int, (0..<1 << 40).contains(value) else {
            throw .badInput("lacks the number '\(key)'")
        }
        return value
    }

    /// A number that may be left out.
    func int(_ key: String, default value: Int) throws(Failure) -> Int { has(key) ? try int(key) : value }

    func ints(_ key: String) -> [Int]? { json[key]?.ints }

    func real(_ key: String) throws(Failure) -> Double {
        guard let value = json[key]?.double else { throw .badInput("lacks the number '\(key)'") }
        return value
    }

    /// Whether a flag is set.
    func flag(_ key: String) -> Bool { json[key]?.bool == true }

    /// One of a few names.
    func choice<Choice: RawRepresentable<String>>(_ key: String) throws(Failure) -> Choice {
        let name = try text(key)
        guard let choice = Choice(rawValue: name) else { throw .badInput("knows no \(key) '\(name)'") }
        return choice
    }

    func weightUse() throws(Failure) -> Operation.WeightUse {
        Operation.WeightUse(
            try text("weight"), Role(try text("role")), block: has("block") ? try int("block") : nil)
    }
}
