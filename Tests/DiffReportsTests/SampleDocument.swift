import DiffReports
import Glibc
import Storage
import TestSupport
import Testing

/// Documents to make reports of.
enum SampleDocument {
    /// All parts, little of each.
    static let whole = Result { () throws -> JSON in try Fixtures.json("diff/report.json") }

    /// A text that tries to get out of wherever it stands.
    static let hostile =
        "</script></style></svg></title><img src=x onerror=alert(1)><script>alert(2)</script>\"'&<!-- ]]> \u{202e}\u{7}\u{0}"
        + "\r\n| @all #1 ``x`` [x](javascript:alert(3)) www.example.com"

    /// A value with all texts in it replaced, but for those that measures stand in.
    static func spoiled(_ value: JSON) -> JSON {
        switch value {
        case .string: .string(hostile)
        case .array(let elements): .array(elements.map(spoiled))
        case .object(let members): .object(members.map { .init($0.key, spoiled($0.value)) })
        default: value
        }
    }

    /// An object without a key.
    static func without(_ key: String, _ value: JSON) -> JSON {
        .object((value.members ?? []).filter { $0.key != key })
    }

    /// A value with three elements of each array of objects at most: the first, one in the middle and the last.
    static func brief(_ value: JSON) -> JSON {
        switch value {
        case .array(let elements):
            let kept = [0, elements.count / 2, elements.count - 1]
            let isLong = elements.count > 3 && elements[0].members != nil
            return .array((isLong ? kept.map { elements[$0] } : elements).map(brief))
        case .object(let members): return .object(members.map { .init($0.key, brief($0.value)) })
        default: return value
        }
    }

    /// All keys within a value.
    static func keys(_ value: JSON) -> Set<String> {
        switch value {
        case .array(let elements): elements.reduce(into: []) { $0.formUnion(keys($1)) }
        case .object(let members):
            members.reduce(into: []) { $0.formUnion(keys($1.value).union([$1.key])) }
        default: []
        }
    }

    /// A value in which a key stands for something else wherever it is.
    static func replacing(_ key: String, in value: JSON, by other: JSON) -> JSON {
        switch value {
        case .array(let elements): .array(elements.map { replacing(key, in: $0, by: other) })
        case .object(let members):
            .object(
                members.map { .init($0.key, $0.key == key ? other : replacing(key, in: $0.value, by: other)) }
            )
        default: value
        }
    }
}

extension Report {
    /// The page without pictures' files.
    func page() throws -> String { try html { _ in nil } }
}

/// What a script in Python prints about a text.
func python(_ script: String, _ text: String) throws -> String {
    let directory = try TemporaryDirectory()
    let (program, input) = (directory.file("script.py"), directory.file("input"))
    try putFile(program, Array(script.utf8))
    try putFile(input, Array(text.utf8))
    let pipe = try #require(popen("python3 '\(program)' '\(input)' 2>&1", "r"))
    defer { pclose(pipe) }
    var output: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while true {
        let count = fread(&chunk, 1, chunk.count, pipe)
        guard count > 0 else { break }
        output += chunk[..<count]
    }
    return String(decoding: output, as: UTF8.self)
}
