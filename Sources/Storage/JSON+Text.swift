internal import CJSON
import Glibc

extension JSON {
    /// The deepest nesting accepted.
    static let maximumDepth = 64
    /// The most values of one text, unless told otherwise: some four times what the largest tokenizers and headers of
    /// tensors have. A value takes about 100 bytes.
    public static let maximumValues = 4 << 20

    /// Parses strict JSON, by json-c: no comments, no trailing text, no NaN, no key twice, at most 64 levels.
    ///
    /// An integer that 64 bits do not hold becomes the nearest double that they do not hold either: `int` does not give it.
    /// - Throws: `badInput` with the byte where the text is no JSON, `limit` when it has more than `valueLimit` values.
    public init(
        parsing bytes: UnsafeRawBufferPointer, valueLimit: Int = JSON.maximumValues
    ) throws(Failure) {
        guard bytes.count < Int(Int32.max) else { throw Failure(.limit, "JSON of \(bytes.count) bytes") }
        let scan = try JSONScan(bytes, valueLimit: valueLimit)
        // The levels of json-c count the value itself.
        guard let tokener = json_tokener_new_ex(Int32(Self.maximumDepth) + 2) else {
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
        var reader = JSONReader(extremes: scan.extremes)
        self = try reader.value(root)
        // json-c keeps the last of several values of one key. Which key that is only a slower look can tell.
        guard reader.memberCount == scan.memberCount else {
            _ = try JSONScan(bytes, valueLimit: valueLimit, namingKeys: true)
            throw .badInput("a key is there twice, written in two ways")
        }
    }

    /// Parses the text of a file.
    public init(file path: String, limit: Int = 256 << 20) throws(Failure) {
        let file = try MappedFile(path)
        guard file.bytes.count <= limit else {
            throw Failure(.limit, "has \(file.bytes.count) bytes, more than the \(limit) allowed", file: path)
        }
        do throws(Failure) {
            self = try file.withBytes { (bytes) throws(Failure) in try JSON(parsing: bytes) }
        } catch {
            throw error.located(in: path)
        }
    }

    /// Parses bytes in memory.
    public init(parsing bytes: [UInt8], valueLimit: Int = JSON.maximumValues) throws(Failure) {
        self = try bytes.withBytes { (buffer) throws(Failure) in
            try JSON(parsing: buffer, valueLimit: valueLimit)
        }
    }

    /// The text of this value, by json-c; `pretty` breaks lines and indents by two spaces. JSON has no NaN and no infinities:
    /// doubles that are not finite become null.
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
            // Swift's description is the shortest text that reads back equal.
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

/// Makes values of json-c's.
private struct JSONReader {
    /// What json-c could not hold, in the order of the text.
    private var extremes: ArraySlice<JSON>
    /// How many keys were met.
    private(set) var memberCount = 0

    init(extremes: [JSON]) { self.extremes = extremes[...] }

    mutating func value(_ object: OpaquePointer?) throws(Failure) -> JSON {
        switch json_object_get_type(object) {
        case json_type_boolean: return .bool(json_object_get_boolean(object) != 0)
        case json_type_int:
            let value = Int(json_object_get_int64(object))
            return value == .max || value == .min ? extremes.popFirst() ?? .int(value) : .int(value)
        case json_type_double: return .double(json_object_get_double(object))
        case json_type_string:
            let count = Int(json_object_get_string_len(object))
            return .string(
                try text(UnsafeRawBufferPointer(start: json_object_get_string(object), count: count)))
        case json_type_array:
            let count = json_object_array_length(object)
            var elements: [JSON] = []
            elements.reserveCapacity(count)
            for index in 0..<count { elements.append(try value(json_object_array_get_idx(object, index))) }
            return .array(elements)
        case json_type_object: return .object(try members(object))
        default: return .null
        }
    }

    private mutating func members(_ object: OpaquePointer?) throws(Failure) -> [JSON.Member] {
        var members: [JSON.Member] = []
        var iterator = json_object_iter_begin(object)
        var end = json_object_iter_end(object)
        while json_object_iter_equal(&iterator, &end) == 0 {
            guard let name = json_object_iter_peek_name(&iterator) else { break }
            let key = try text(UnsafeRawBufferPointer(start: name, count: strlen(name)))
            members.append(JSON.Member(key, try value(json_object_iter_peek_value(&iterator))))
            json_object_iter_next(&iterator)
        }
        memberCount += members.count
        return members
    }

    private func text(_ bytes: UnsafeRawBufferPointer) throws(Failure) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .badInput("is not valid JSON: a string is not UTF-8")
        }
        return text
    }
}
