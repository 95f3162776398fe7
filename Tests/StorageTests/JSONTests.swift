import Storage
import Testing

@Suite struct JSONTests {
    private func parse(_ text: String) throws -> JSON { try JSON(parsing: Array(text.utf8)) }

    @Test(arguments: [
        "{\"a\":1,\"a\":2}", "{\"x\":{\"b\":[1,{\"b\":1}],\"b\":2}}", "{\"a\\u0000b\":1}", "NaN",
        "[Infinity]", "-Infinity",
        "nan", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\\ud800x\"", "1e999", "[-1e400]",
        "[1,]", "{\"a\":1,}",
        "01", "1.", ".5", "1e", "-", "+1", "0x10", "[1 2]", "1 2", "// c\n1", "'a'", "tRUE", "True",
        "\"a\tb\"", "\"\\x\"",
        "\"\\u12g4\"", "{a:1}", "{\"a\" 1}", "{1:2}", "[", "{", "\"", "", " ", "[1}", "]", "{\"a\":1}}",
        "\u{FEFF}1",
        "[null,nul]", "\"\\u00\"",
        String(repeating: "9", count: 400),
    ]) func isRefusedWithItsPlace(text: String) throws {
        let failure = #expect(throws: Failure.self) { try parse(text) }
        #expect(failure?.kind == .badInput)
        #expect(failure?.place?.hasPrefix("byte ") == true, "\(failure?.description ?? "")")
    }

    @Test func aDoubledKeyIsNamed() throws {
        let failure = #expect(throws: Failure.self) {
            try parse("{\"a\":[{\"b\":1,\"c\":2,\"b\":3}],\"b\":1}")
        }
        #expect(failure?.description == "byte 19: the key 'b' is there twice")
        let escaped = #expect(throws: Failure.self) { try parse("{\"a\":1,\"\\u0061\":2}") }
        #expect(escaped?.kind == .badInput)
        #expect(try parse("[{\"a\":1},{\"a\":1},{\"A\":{\"a\":1},\"a\":1}]").array?.count == 3)
    }

    @Test func bytesThatAreNoTextAreRefused() throws {
        for bytes in [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xE2, 0x82], [0x00]] as [[UInt8]] {
            #expect(throws: Failure.self) { try JSON(parsing: [0x22] + bytes + [0x22]) }
            #expect(throws: Failure.self) {
                try JSON(parsing: Array("{\"".utf8) + bytes + Array("\":1}".utf8))
            }
        }
    }

    /// An integer is what the text says or none at all: never the nearest that fits.
    @Test func integersDoNotSaturate() throws {
        let text = """
            [9223372036854775807, 9223372036854775808, -9223372036854775808, -9223372036854775809, 1180591620717411303424,
            -1180591620717411303424, 1000000000000000019884624838656, 18446744073709551616, 5]
            """
        let values = try #require(try parse(text).array)
        #expect(values.map(\.int) == [.max, nil, .min, nil, nil, nil, nil, nil, 5])
        #expect(values[4].double == 0x1p70 && values[5].double == -0x1p70 && values[6].double == 1e30)
    }

    @Test func whatIsSoundIsRead() throws {
        let text =
            " {\"a\\\"\\u00e9\" : [ 1 , -2.5e+3 , 0 , -0 , true , false , null , \"\\ud83d\\ude00\\u0000\\/\" , {} , [] ] } \n"
        let value = try parse(text)
        #expect(value.members?.first?.key == "a\"é")
        #expect(
            value["a\"é"]
                == [1, .double(-2500), 0, 0, true, false, .null, "😀\0/", .object([]), []])
        #expect(try parse("1.7976931348623157e308").double == .greatestFiniteMagnitude)
        #expect(try parse("\"x\"") == "x" && parse("7") == 7 && parse("1e-999") == .double(0))
    }

    @Test func depthIsBounded() throws {
        let deep = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
        #expect(throws: Never.self) { try parse(deep) }
        #expect(throws: Failure.self) { try parse("[\(deep)]") }
        #expect(throws: Failure.self) { try parse(String(repeating: "{\"a\":[", count: 100_000)) }
    }

    @Test func valuesAreCountedBeforeAnyIsMade() throws {
        func read(_ text: String, limit: Int) throws -> JSON {
            try JSON(parsing: Array(text.utf8), valueLimit: limit)
        }
        #expect(throws: Never.self) { try read("{\"a\":[1,2],\"b\":{}}", limit: 5) }
        let failure = #expect(throws: Failure.self) { try read("{\"a\":[1,2],\"b\":{}}", limit: 4) }
        #expect(failure?.kind == .limit && failure?.place == "byte 15")
        let many = "[" + String(repeating: "[],", count: JSON.maximumValues) + "0]"
        #expect(#expect(throws: Failure.self) { try parse(many) }?.kind == .limit)
    }

    /// JSON has no words for these: what is written stays JSON.
    @Test func whatIsNotFiniteIsWrittenAsNull() throws {
        let written = JSON.array([.double(.nan), .double(.infinity), .double(-.infinity), .double(1.5)])
        #expect(written.serialized() == "[null,null,null,1.5]")
        #expect(throws: Never.self) { try parse(written.serialized(pretty: true)) }
    }
}
