import Storage
import Testing

@testable import Checkpoints

@Suite struct UnpicklerTests {
    let folder: TorchFolder

    init() throws { folder = try TorchFolder() }

    /// The pickle must be refused at its byte `position`, counted from the end if negative; nil: as a whole.
    private func refuses(
        _ pickle: PickleBytes, at position: Int?, _ part: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let byte = position.map { $0 < 0 ? pickle.bytes.count + $0 : $0 }
        try folder.refuses(
            ZipBytes(pickle: pickle.bytes).bytes, at: "model/data.pkl" + (byte.map { ", byte \($0)" } ?? ""),
            part,
            sourceLocation: sourceLocation)
    }

    private func pickle(_ build: (inout PickleBytes) -> Void) -> PickleBytes {
        var pickle = PickleBytes()
        build(&pickle)
        return pickle
    }

    private func names(_ pickle: PickleBytes) throws -> [String] {
        try folder.open(ZipBytes(pickle: pickle.bytes).bytes).tensors.map(\.name)
    }

    @Test func nothingIsCalled() throws {
        for (module, name) in [
            ("os", "system"), ("posix", "system"), ("builtins", "eval"), ("builtins", "exec"),
            ("builtins", "getattr"), ("__builtin__", "eval"), ("torch", "load"), ("subprocess", "Popen"),
            ("torch", "QInt8Storage"), ("torch._utils", "_rebuild_tensor_v2.x"), ("collections", ""),
            ("", ""), ("collections.OrderedDict", "__reduce__"),
        ] {
            let call = pickle {
                $0.global(module, name)
                $0.string("touch /tmp/never")
                $0.raw([0x85])
                $0.raw("R.")
            }
            try refuses(call, at: 2, "refers to '\(module).\(name)'")
        }
        try refuses(pickle { $0.raw("cos\nsystem") }, at: 2, "a line is cut short")
        try refuses(pickle { $0.raw("cos\u{1B}[2J\nsystem\n") }, at: 2, "cannot be printed")
        try refuses(
            pickle { $0.global(String(repeating: "x", count: 300), "y") }, at: 2, "longer than 256")
    }

    @Test func allowedNamesAreOnlyCalledAsTheyAreMeant() throws {
        func call(_ module: String, _ name: String, _ arguments: (inout PickleBytes) -> Void) -> PickleBytes {
            pickle {
                $0.global(module, name)
                arguments(&$0)
                $0.raw("R.")
            }
        }
        try refuses(call("torch", "FloatStorage") { $0.raw(")") }, at: -2, "calls torch.FloatStorage")
        try refuses(
            call("collections", "OrderedDict") { $0.raw("]") }, at: -2, "with a list instead of a tuple")
        try refuses(
            call("collections", "OrderedDict") {
                $0.raw("]]"); $0.raw([0x86])
            }, at: -2, "one list of pairs")
        try refuses(
            call("collections", "OrderedDict") {
                $0.raw("]Na"); $0.raw([0x85])
            }, at: -2, "with None in it")
        try refuses(
            call("collections", "OrderedDict") {
                $0.raw("])a"); $0.raw([0x85])
            }, at: -2, "0 values for a pair")
        try refuses(
            call("torch._utils", "_rebuild_tensor_v2") { $0.raw(")") }, at: -2,
            "makes a tensor of other values")
        try refuses(
            call("torch._utils", "_rebuild_parameter") { $0.raw(")") }, at: -2, "makes a parameter of other")
        try refuses(
            pickle {
                $0.string("os.system"); $0.raw(")R.")
            }, at: -2, "calls a string")
        try refuses(pickle { $0.raw("}(Nu.") }, at: -2, "a key has no value")
    }

    @Test func instructionsThatAreRefused() throws {
        for (byte, name) in [
            (0x81, "NEWOBJ"), (0x92, "NEWOBJ_EX"), (0x6F, "OBJ"), (0x69, "INST"),
            (0x82, "EXT1"), (0x50, "PERSID"), (0x8B, "LONG4"), (0x46, "FLOAT"),
            (0x00, "0x0"), (0xFF, "0xFF"),
        ] as [(UInt8, String)] {
            try refuses(pickle { $0.raw([byte]) }, at: 2, "uses the instruction \(name),")
        }
        for version in [0, 1, 6, 255] as [UInt8] {
            try refuses(PickleBytes(version: version), at: 0, "protocol \(version)")
        }
        // A higher protocol is fine as long as it is not made use of.
        var plain = PickleBytes(version: 5)
        plain.raw(Array(PickleBytes.one().dropFirst(2)))
        #expect(try names(plain) == ["t"])
    }

    /// Names of protocol 4 are two strings on the stack, and no more is allowed than by line.
    @Test func namesOnTheStack() throws {
        func named(_ module: String, _ name: String) -> PickleBytes {
            var pickle = PickleBytes(version: 4)
            pickle.raw([0x95] + [UInt8](repeating: 0xFF, count: 8))
            for text in [module, name] {
                pickle.raw([0x8C, UInt8(text.utf8.count)] + Array(text.utf8) + [0x94])
            }
            pickle.raw([0x93, 0x29, 0x52, 0x2E])
            return pickle
        }
        #expect(try names(named("collections", "OrderedDict")) == [])
        try refuses(named("os", "system"), at: 25, "refers to 'os.system'")
        try refuses(
            named("torch._tensor", "_rebuild_from_type_v2"), at: 51, "a kind of tensor that only")
        var numbers = PickleBytes(version: 4)
        numbers.raw("NN")
        numbers.raw([0x93])
        try refuses(numbers, at: 4, "other values than two strings")
        // What is remembered without a number is numbered in order.
        var order = PickleBytes(version: 4)
        order.raw("}")
        order.raw([0x94])
        order.raw("0")
        try refuses(order, at: 4, "POP")
    }

    @Test func integersOfEverySize() throws {
        func offset(_ bytes: [UInt8]) -> PickleBytes {
            pickle {
                $0.raw("}")
                $0.string("t")
                $0.global("torch._utils", "_rebuild_tensor_v2")
                $0.raw("(")
                $0.storage(count: 8)
                $0.raw(bytes)
                $0.raw("))")
                $0.raw([0x89])
                $0.raw("}tRs.")
            }
        }
        for (bytes, value) in [
            ([0x4B, 7], 7), ([0x4D, 7, 0], 7), ([0x4A, 7, 0, 0, 0], 7), ([0x8A, 0], 0), ([0x8A, 1, 7], 7),
            ([0x8A, 3, 7, 0, 0], 7),
        ] as [([UInt8], Int)] {
            let file = try folder.open(ZipBytes(pickle: offset(bytes).bytes).bytes)
            #expect(file.tensors.map { $0.data.bytes[0] } == [UInt8(4 * value)])
        }
        for (bytes, value) in [
            ([0x4B, 0xFF], 255), ([0x4D, 0xFF, 0xFF], 65535), ([0x4A, 0xFF, 0xFF, 0xFF, 0xFF], -1),
            ([0x8A, 1, 0xFE], -2), ([0x8A, 2, 0, 0x80], -32768), ([0x8A, 4, 0, 0, 0, 0x80], -(1 << 31)),
            ([0x8A, 5, 0, 0, 0, 0x80, 0], 1 << 31), ([0x8A, 8, 0, 0, 0, 0, 0, 0, 0, 0x80], Int.min),
        ] as [([UInt8], Int)] {
            try folder.refuses(
                ZipBytes(pickle: offset(bytes).bytes).bytes, at: "tensor 't'", "from element \(value) on")
        }
        // 2^70 takes nine bytes.
        let huge = pickle { $0.raw([0x8A, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0x40]) }
        try refuses(huge, at: 2, "an integer of 9 bytes")
        try refuses(pickle { $0.raw([0x8A, 255, 1]) }, at: 2, "an integer of 255 bytes")
        try refuses(pickle { $0.raw([0x8A, 8, 1]) }, at: 2, "is cut short")
    }

    @Test func strings() throws {
        try refuses(pickle { $0.raw([0x58, 0xFF, 0xFF, 0xFF, 0xFF]) }, at: 2, "a string of 4294967295 bytes")
        try refuses(
            pickle { $0.string(String(repeating: "a", count: 4097)) }, at: 2, "a string of 4097 bytes")
        try refuses(pickle { $0.raw([0x58, 9, 0, 0, 0, 0x61]) }, at: 2, "is cut short")
        try refuses(pickle { $0.raw([0x58, 2, 0, 0, 0, 0xC3, 0x28]) }, at: 2, "not valid UTF-8")
        try refuses(pickle { $0.string("a\u{1B}[2J") }, at: 2, "control characters")
    }

    @Test func stacksThatDoNotHold() throws {
        try refuses(pickle { $0.raw(".") }, at: 2, "ends with 0 values")
        try refuses(pickle { $0.raw("}}.") }, at: 4, "ends with 2 values")
        try refuses(pickle { $0.raw("}(.") }, at: 4, "ends with 1 values")
        try refuses(pickle { $0.raw("}") }, at: 3, "is cut short")
        for text in [
            "R", "Q", "s", "a", "b", "q\u{0}", "}b", "Ns", "(R", "}(b", ")(R", "N(q\u{0}", "(u", "(e",
        ] {
            try refuses(
                pickle { $0.raw(text) }, at: 2 + text.utf8.count - (text.hasSuffix("\0") ? 2 : 1),
                "not on the stack")
        }
        for text in ["t", "}u", "]e"] {
            try refuses(pickle { $0.raw(text) }, at: 1 + text.utf8.count, "a mark that was not set")
        }
        try refuses(pickle { $0.raw("h\u{7}") }, at: 2, "recalls value 7")
        try refuses(pickle { $0.raw([0x6A, 0xFF, 0xFF, 0xFF, 0xFF]) }, at: 2, "recalls value 4294967295")
        try refuses(pickle { $0.raw("NNa") }, at: 4, "adds elements to None")
        try refuses(pickle { $0.raw("]NNs") }, at: 5, "adds items to a list")
        try refuses(pickle { $0.raw("]}b") }, at: 4, "sets the state of a list")
        try refuses(pickle { $0.raw("}]b") }, at: 4, "sets a state that is no dictionary")
        try refuses(pickle { $0.raw("NQ") }, at: 3, "does not name a storage")
    }

    @Test func resultsThatAreNoTensors() throws {
        try refuses(pickle { $0.raw("N.") }, at: nil, "holds None instead of a dictionary")
        try refuses(pickle { $0.raw("].") }, at: nil, "holds a list instead of a dictionary")
        try refuses(pickle { $0.raw("}NNs.") }, at: nil, "names a tensor with None")
        let twice = pickle {
            $0.raw("}")
            for _ in 0..<2 {
                $0.string("t")
                $0.tensor(storage: 8, offset: 0, [8], [1])
                $0.raw("s")
            }
            $0.raw(".")
        }
        try folder.refuses(
            ZipBytes(pickle: twice.bytes).bytes, at: "model/data.pkl, tensor 't'", "is there twice")
    }

    /// An OrderedDict made of a list of pairs, with attributes; the memo with long indices.
    @Test func writersOfOtherHabits() throws {
        let odd = pickle {
            $0.global("collections", "OrderedDict")
            $0.raw("](")
            for name in ["b", "a"] {
                $0.raw("](")
                $0.string(name)
                $0.tensor(storage: 8, offset: name == "a" ? 4 : 0, [2, 2], [2, 1])
                $0.raw("e")
            }
            $0.raw("e")
            $0.raw([0x85])
            $0.raw("R}")
            $0.string("_metadata")
            $0.raw("Nsbr\u{1}\u{2}\u{3}\u{4}")
            $0.raw("j\u{1}\u{2}\u{3}\u{4}")
            $0.raw([0x85])
            $0.raw("q\u{0}")
            $0.raw("}b.")
        }
        // The tuple on top cannot have a state: everything before it went well.
        try refuses(odd, at: -2, "sets the state of a tuple")
        var sound = PickleBytes()
        sound.raw(Array(odd.bytes[2..<(odd.bytes.count - 11)]) + [0x2E])
        #expect(try names(sound) == ["b", "a"])
    }

    @Test func whatContainsItself() throws {
        let dictionary = pickle {
            $0.raw("}q\u{0}"); $0.string("t"); $0.raw("h\u{0}s.")
        }
        let file = try folder.open(ZipBytes(pickle: dictionary.bytes).bytes)
        #expect(file.passedOver == [PassedOver(name: "t", kind: "a dictionary")])
        // A model's state within itself: an end is found.
        let endless = pickle {
            $0.raw("}q\u{0}"); $0.string("model"); $0.raw("h\u{0}s.")
        }
        #expect(try names(endless) == [])
        try refuses(pickle { $0.raw("]q\u{0}h\u{0}a.") }, at: nil, "holds a list")
        let ordered = pickle {
            $0.global("collections", "OrderedDict")
            $0.raw("]q\u{0}(h\u{0}h\u{0}e")
            $0.raw([0x85])
            $0.raw("R.")
        }
        // Its elements are itself, which is then a pair of itself: one level is all that is looked at.
        try refuses(ordered, at: nil, "names a tensor with a list")
        #expect(try names(pickle { $0.raw("}q\u{0}h\u{0}b.") }) == [])
    }

    @Test func counts() throws {
        func many(_ count: Int, _ text: String) -> [UInt8] {
            Array(String(repeating: text, count: count).utf8)
        }
        try refuses(
            pickle { $0.raw(many(100_000, "(")) }, at: 2 + Unpickler.markLimit, "nests more than 256 deep")
        try refuses(pickle { $0.raw(many(100_000, "N")) }, at: 2 + Unpickler.stackLimit, "on the stack")
        // Deep without a stack: tuples in tuples, lists in lists.
        let tuples = pickle {
            $0.raw("N"); $0.raw([UInt8](repeating: 0x85, count: 500_000)); $0.raw(".")
        }
        try refuses(tuples, at: nil, "holds a tuple")
        let bottomless = pickle {
            $0.raw("N"); $0.raw([UInt8](repeating: 0x85, count: 1_100_000)); $0.raw(".")
        }
        try refuses(bottomless, at: 3 + PickleHeap.limit / 2, "makes more than")
        let lists = pickle {
            $0.raw(many(60_000, "]")); $0.raw(many(59_999, "a")); $0.raw(".")
        }
        try refuses(lists, at: nil, "holds a list")
        // A long list, made into a dictionary again and again.
        let bomb = pickle {
            $0.global("collections", "OrderedDict")
            $0.raw("q\u{0}](")
            $0.raw(Array(repeating: [0x4E, 0x4E, 0x86], count: 60_000).flatMap(\.self))
            $0.raw("e")
            $0.raw([0x85])
            $0.raw("q\u{1}")
            for _ in 0..<1000 { $0.raw("h\u{0}h\u{1}R") }
            $0.raw(".")
        }
        do {
            _ = try folder.open(ZipBytes(pickle: bomb.bytes).bytes)
            Issue.record("accepted")
        } catch {
            #expect(error.message.contains("makes more than"))
        }
        let ranks = pickle {
            $0.raw("}")
            $0.string("t")
            $0.tensor(storage: 8, offset: 0, [Int](repeating: 1, count: 65), [Int](repeating: 1, count: 65))
            $0.raw("s.")
        }
        try refuses(ranks, at: -3, "at most 64 integers")
        let uneven = pickle {
            $0.tensor(storage: 8, offset: 0, [1, 1], [1]); $0.raw(".")
        }
        try refuses(uneven, at: -2, "2 extents and 1 strides")
    }
}
