public import Storage

/// As much of JSON Schema as the schemas of `formats/` use; another keyword, and a reference to nothing, are faults themselves.
public struct Schema {
    private let root: JSON

    /// The schema of a file of `formats/`.
    public init(format name: String) throws(Failure) {
        root = try JSON(file: Fixtures.path("../../formats/\(name)"))
    }

    /// An object that may have no other members than its schema lists, and where it is.
    public struct Closed {
        /// The keys that lead to it.
        public let path: [String]
        /// What it may have.
        public let keys: Set<String>
    }

    /// What of `json` is not as the schema says, by place; the closed objects in it go to `closed`.
    public func faults(in json: JSON, closed: (Closed) -> Void = { _ in }) -> [String] {
        faults(json, root, [], closed)
    }

    private func faults(in json: JSON, _ schema: JSON) -> [String] { faults(json, schema, [], { _ in }) }

    private static let keywords: Set = [
        "$schema", "title", "description", "$defs", "$ref", "type", "enum", "const", "minimum",
        "exclusiveMinimum",
        "maximum", "items", "minItems", "maxItems", "properties", "required", "dependentRequired",
        "additionalProperties", "if", "then", "else",
    ]

    /// What a schema refers to; nil for nothing.
    private func resolved(_ schema: JSON) -> JSON? {
        guard let name = schema["$ref"]?.string else { return schema }
        let prefix = "#/$defs/"
        return name.hasPrefix(prefix) ? root["$defs"]?[String(name.dropFirst(prefix.count))] : nil
    }

    private func faults(_ json: JSON, _ schema: JSON, _ path: [String], _ closed: (Closed) -> Void)
        -> [String]
    {
        guard let schema = resolved(schema) else {
            return ["the schema refers to nothing: \(schema.serialized())"]
        }
        guard schema != false else { return ["\(path.joined(separator: ".")): must not be there"] }
        var faults = (schema.members ?? []).map(\.key).filter { !Self.keywords.contains($0) }
            .map { "the schema has the keyword '\($0)'" }
        func check(_ isRight: Bool, _ words: String) {
            if !isRight { faults.append("\(path.joined(separator: ".")): \(words)") }
        }
        if let type = schema["type"]?.string { check(Self.isA(json, type), "is no \(type)") }
        if let value = schema["const"] { check(json == value, "is not \(value.serialized())") }
        if let choices = schema["enum"]?.array { check(choices.contains(json), "is none of the choices") }
        if let number = json.double {
            check(number >= schema["minimum"]?.double ?? -.infinity, "is too small")
            check(number > schema["exclusiveMinimum"]?.double ?? -.infinity, "is too small")
            check(number <= schema["maximum"]?.double ?? .infinity, "is too large")
        }
        if let count = json.array?.count {
            check(count >= schema["minItems"]?.int ?? 0, "has too few elements")
            check(count <= schema["maxItems"]?.int ?? .max, "has too many elements")
        }
        if let condition = schema["if"] {
            let holds = self.faults(in: json, condition).isEmpty
            faults += self.faults(json, schema[holds ? "then" : "else"] ?? .object([]), path, { _ in })
        }
        for element in json.array ?? [] {
            faults += self.faults(element, schema["items"] ?? .object([]), path + ["[]"], closed)
        }
        guard let members = json.members else { return faults }
        let known = schema["properties"]?.members ?? []
        for key in schema["required"]?.strings ?? [] { check(json[key] != nil, "lacks '\(key)'") }
        for (key, others) in (schema["dependentRequired"]?.members ?? []).map({
            ($0.key, $0.value.strings ?? [])
        })
        where json[key] != nil {
            check(others.allSatisfy { json[$0] != nil }, "has '\(key)' alone")
        }
        let more = schema["additionalProperties"]
        if more == false { closed(Closed(path: path, keys: Set(known.map(\.key)))) }
        for member in members {
            let own = known.first { $0.key == member.key }?.value
            check(own != nil || more != false, "has '\(member.key)', which is unknown")
            faults += self.faults(
                member.value, own ?? more.flatMap { $0.members == nil ? nil : $0 } ?? .object([]),
                path + [member.key], closed)
        }
        return faults
    }

    private static func isA(_ json: JSON, _ type: String) -> Bool {
        switch type {
        case "object": json.members != nil
        case "array": json.array != nil
        case "string": json.string != nil
        case "boolean": json.bool != nil
        case "integer": json.int != nil
        default: json.double != nil
        }
    }
}
