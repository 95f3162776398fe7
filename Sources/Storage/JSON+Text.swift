internal import CJSON

extension JSON {
    /// The deepest nesting accepted.
    static let maximumDepth: Int32 = 64

    /// Parses strict JSON, by json-c: no comments, no trailing text, no NaN, at most 64 levels.
    public init(parsing bytes: UnsafeRawBufferPointer) throws(Failure) {
        guard bytes.count < Int(Int32.max) else { throw Failure(.limit, "JSON of \(bytes.count) bytes") }
        guard let tokener = json_tokener_new_ex(Self.maximumDepth) else {
            throw Failure(.limit, "no memory to parse JSON")
        }
        defer { json_tokener_free(tokener) }
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8)
        let text = bytes.bindMemory(to: CChar.self).baseAddress
        var root = json_tokener_parse_ex(tokener, text, Int32(bytes.count))
        // A bare number ends only when something follows it.
        if json_tokener_get_error(tokener) == json_tokener_continue {
            root = json_tokener_parse_ex(tokener, "\0", 1)
        }
        defer { json_object_put(root) }
        let status = json_tokener_get_error(tokener)
        guard status == json_tokener_success else {
            let offset = json_tokener_get_parse_end(tokener)
            throw .badInput(
                "is not valid JSON: \(String(cString: json_tokener_error_desc(status)))", at: "byte \(offset)"
            )
        }
        self = JSON(root)
    }

    /// Parses the text of a file.
    public init(file path: String, limit: Int = 256 << 20) throws(Failure) {
        let file = try MappedFile(path)
        guard file.bytes.count <= limit else {
            throw Failure(.limit, "has \(file.bytes.count) bytes, more than the \(limit) allowed", file: path)
        }
        do throws(Failure) { self = try file.withBytes(JSON.init(parsing:)) } catch {
            throw error.located(in: path)
        }
    }

    /// Parses bytes in memory.
    public init(parsing bytes: [UInt8]) throws(Failure) {
        self = try bytes.withBytes { (buffer) throws(Failure) in try JSON(parsing: buffer) }
    }

    private init(_ object: OpaquePointer?) {
        switch json_object_get_type(object) {
        case json_type_boolean: self = .bool(json_object_get_boolean(object) != 0)
        case json_type_int: self = .int(Int(json_object_get_int64(object)))
        case json_type_double: self = .double(json_object_get_double(object))
        case json_type_string: self = .string(JSON.text(of: object))
        case json_type_array:
            let count = json_object_array_length(object)
            self = .array((0..<count).map { JSON(json_object_array_get_idx(object, $0)) })
        case json_type_object:
            var members: [Member] = []
            var iterator = json_object_iter_begin(object)
            var end = json_object_iter_end(object)
            while json_object_iter_equal(&iterator, &end) == 0 {
                let key = String(cString: json_object_iter_peek_name(&iterator))
                members.append(Member(key, JSON(json_object_iter_peek_value(&iterator))))
                json_object_iter_next(&iterator)
            }
            self = .object(members)
        default: self = .null
        }
    }

    /// A string's bytes, NUL included.
    private static func text(of object: OpaquePointer?) -> String {
        let count = Int(json_object_get_string_len(object))
        guard let start = json_object_get_string(object) else { return "" }
        return String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
    }

    /// The text of this value, by json-c; `pretty` breaks lines and indents by two spaces.
    public func serialized(pretty: Bool = false) -> String {
        let object = makeObject()
        defer { json_object_put(object) }
        let flags =
            (pretty ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED : JSON_C_TO_STRING_PLAIN)
            | JSON_C_TO_STRING_NOSLASHESCAPE
        guard let text = json_object_to_json_string_ext(object, flags) else { return "null" }
        return String(cString: text)
    }

    /// Builds json-c's own tree; the caller releases it.
    private func makeObject() -> OpaquePointer? {
        switch self {
        case .null: return nil
        case .bool(let value): return json_object_new_boolean(value ? 1 : 0)
        case .int(let value): return json_object_new_int64(Int64(value))
        case .double(let value):
            // JSON has no infinities; Swift's description is the shortest text that reads back equal.
            return value.isFinite ? json_object_new_double_s(value, value.description) : nil
        case .string(let value): return json_object_new_string_len(value, Int32(value.utf8.count))
        case .array(let elements):
            let array = json_object_new_array_ext(Int32(elements.count))
            for element in elements { json_object_array_add(array, element.makeObject()) }
            return array
        case .object(let members):
            let object = json_object_new_object()
            for member in members { json_object_object_add(object, member.key, member.value.makeObject()) }
            return object
        }
    }
}
