import Storage
import TestSupport
import Testing

@testable import Checkpoints

/// The bytes of a safetensors file with this header.
func safetensors(_ header: String, data: Int = 0) -> [UInt8] {
    let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) }
    return length + Array(header.utf8) + (0..<data).map { UInt8(truncatingIfNeeded: $0) }
}

@Suite struct SafetensorsTests {
    let directory: TemporaryDirectory
    var path: String { directory.file("model.safetensors") }

    init() throws { directory = try TemporaryDirectory() }

    private func open(_ bytes: [UInt8]) throws -> SafetensorsFile {
        try putFile(path, bytes)
        return try SafetensorsFile(path)
    }

    private func expect(_ part: String, _ header: String, data: Int = 0) throws {
        try expect(part, safetensors(header, data: data))
    }

    private func expect(_ part: String, _ bytes: [UInt8]) throws {
        do {
            _ = try open(bytes)
            Issue.record("accepted, but expected '\(part)'")
        } catch let failure as Failure {
            #expect(failure.kind == .badInput)
            #expect(failure.file == path)
            #expect("\(failure)".contains(part), "\(failure)")
        }
    }

    @Test func readsTensorsInTheOrderOfTheFile() throws {
        let header = """
            {"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]},\
            "a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"none":{"dtype":"I64","shape":[0,7],"data_offsets":[16,16]}}
            """
        let file = try open(safetensors(header, data: 16))
        #expect(file.tensors.map(\.name) == ["a", "b", "none"])
        #expect(file.tensors.map(\.type) == [.float32, .bfloat16, .int64])
        #expect(file.tensors.map(\.shape.extents) == [[], [2, 3], [0, 7]])
        #expect(Array(file.tensors[1].data.bytes) == Array(4..<16))
        #expect(file.metadata.map(\.key) == ["format"])
    }

    @Test func everyElementTypeIsKnownByName() throws {
        for type in ElementType.allCases {
            let header =
                #"{"a":{"dtype":"\#(type.rawValue)","shape":[3],"data_offsets":[0,\#(3 * type.width)]}}"#
            #expect(try open(safetensors(header, data: 3 * type.width)).tensors.first?.type == type)
        }
    }

    /// Other types are kept apart by name: whether they are needed is not the file's to say.
    @Test func otherTypesArePassedOver() throws {
        for name in ["F8_E5M2", "F4", "F6_E2M3", "C64", "U16", "U64", "I4", "f32", ""] {
            let header =
                #"{"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]},"a":{"dtype":"\#(name)","shape":[7],"data_offsets":[0,3]}}"#
            let file = try open(safetensors(header, data: 5))
            #expect(file.tensors.map(\.name) == ["b"])
            #expect(file.passedOver == [PassedOver(name: "a", kind: "a tensor of \(name)")])
        }
        try expect(
            "overlaps tensor 'b'",
            #"{"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"dtype":"F4","shape":[7],"data_offsets":[1,4]}}"#,
            data: 4)
        try expect(
            "outside the 4 bytes", #"{"a":{"dtype":"F4","shape":[7],"data_offsets":[1,5]}}"#, data: 4)
    }

    /// As the reference implementation has it: null is no metadata, anything else than strings is refused.
    @Test func metadataMayBeNull() throws {
        let file = try open(
            safetensors(
                #"{"__metadata__":null,"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#, data: 1))
        #expect(file.metadata.isEmpty)
        #expect(file.tensors.map(\.name) == ["a"])
        try expect("no string", #"{"__metadata__":{"a":null}}"#)
        try expect("no string", #"{"__metadata__":{"a":{}}}"#)
    }

    @Test func headersThatCannotBe() throws {
        try expect("too few", [])
        try expect("too few", [1, 2, 3])
        try expect("claims a header of 1152921504606846976", [0, 0, 0, 0, 0, 0, 0, 0x10])
        try expect("claims a header of 18446744073709551615", [UInt8](repeating: 255, count: 8))
        try expect("is cut short", Array(safetensors("{}").dropLast()))
        try expect("not valid JSON", "{")
        try expect("not valid JSON", "")
        try expect("not valid JSON", "{} {}")
        try expect("not valid JSON", String(repeating: #"{"a":"#, count: 5000))
        try expect("no JSON object", "[]")
        try expect("__metadata__: is no object", #"{"__metadata__":1}"#)
        try expect("no string", #"{"__metadata__":{"a":1}}"#)
    }

    @Test func entriesThatCannotBe() throws {
        try expect("has no dtype", #"{"a":{"shape":[1],"data_offsets":[0,4]}}"#, data: 4)
        try expect("has no dtype", #"{"a":7}"#, data: 4)
        try expect("no shape", #"{"a":{"dtype":"F32","data_offsets":[0,4]}}"#, data: 4)
        try expect("no shape", #"{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}"#, data: 4)
        let beyond = #"{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]}}"#
        try expect("no shape", beyond, data: 4)
        try expect("no shape", #"{"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}}"#, data: 4)
        try expect("impossible shape", #"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, data: 4)
        for extents in ["[4294967296,4294967296]", "[4611686018427387904]"] {
            try expect(
                "impossible shape", #"{"a":{"dtype":"F32","shape":\#(extents),"data_offsets":[0,4]}}"#,
                data: 4)
        }
        for offsets in ["[0]", "[0,4,8]", #""0,4""#, "[0,null]", "[0,4.5]", "{}"] {
            try expect(
                "no data_offsets", #"{"a":{"dtype":"F32","shape":[1],"data_offsets":\#(offsets)}}"#, data: 4)
        }
        for offsets in ["[-4,0]", "[4,0]", "[0,8]", "[4,8]", "[0,9223372036854775807]"] {
            try expect(
                "outside the 4 bytes", #"{"a":{"dtype":"F32","shape":[1],"data_offsets":\#(offsets)}}"#,
                data: 4)
        }
        try expect("takes 4", #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,2]}}"#, data: 4)
    }

    @Test func buffersThatAreNotCovered() throws {
        func two(_ first: String, _ second: String) -> String {
            #"{"a":{"dtype":"U8","shape":[4],"data_offsets":\#(first)},"b":{"dtype":"U8","shape":[4],"data_offsets":\#(second)}}"#
        }
        _ = try open(safetensors(two("[4,8]", "[0,4]"), data: 8))
        try expect("overlaps tensor", two("[0,4]", "[3,7]"), data: 8)
        try expect("overlaps tensor", two("[0,4]", "[0,4]"), data: 4)
        try expect("'b': 1 bytes before it", two("[0,4]", "[5,9]"), data: 9)
        try expect("'a': 1 bytes before it", two("[1,5]", "[5,9]"), data: 9)
        try expect("last 1 bytes", two("[0,4]", "[4,8]"), data: 9)
        try expect(
            "the key 'a' is there twice", two("[0,4]", "[4,8]").replacing("\"b\"", with: "\"a\""), data: 8)
    }

    @Test func everyTruncationIsRefused() throws {
        let whole = safetensors(#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#, data: 4)
        for length in 0..<whole.count { try expect("", Array(whole.prefix(length))) }
        _ = try open(whole)
    }

    /// Whatever a byte is changed to, the file is refused or read: never a trap.
    @Test func anyByteMayBeAnything() throws {
        let whole = safetensors(#"{"a":{"dtype":"U8","shape":[2,2],"data_offsets":[0,4]}}"#, data: 4)
        for offset in whole.indices {
            for value in [0, 0x22, 0x2D, 0x39, 0x5B, 0x7B, 0x7F, 0xFF] as [UInt8] {
                var bytes = whole
                bytes[offset] = value
                do {
                    _ = try open(bytes)
                } catch let failure as Failure {
                    #expect(failure.kind == .badInput)
                }
            }
        }
    }
}
