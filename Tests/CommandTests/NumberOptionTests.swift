import Storage
import TestSupport
import Testing

/// Numbers that no command can use are wrong usage, and the message says which it can.
@Suite struct NumberOptionTests {
    private static let bundle = SharedBundles.demo

    private static let ofRun: [[String]] = [
        ["-n", "0"], ["-n", "99999999999999999999"], ["-n", "1e3"], ["--max-tokens=-1"],
        ["-c", "0"], ["-c", "9223372036854775807"], ["--ctx-size=-1"],
        ["-t", "0"], ["-t", "100000"], ["--temp=-1"], ["--temp", "nan"], ["--temp", "inf"],
        ["--top-p", "0"], ["--top-p", "1.5"], ["--top-p", "nan"], ["--top-k=-1"], ["--top-k", "99999999999"],
        ["--repeat-penalty", "0"], ["--repeat-penalty", "inf"], ["--fps", "nan"], ["--fps", "0"],
        ["--fps", "1e300"], ["--max-frames", "0"], ["--max-frames", "99999999999"],
    ]

    @Test(arguments: ofRun) func ofRunning(arguments: [String]) throws {
        try expectRange("tessera-run", ["-p", "x"] + arguments)
    }

    @Test(arguments: [
        ["--prefill", "99999999999"], ["--prefill=-1"], ["--decode=-1"], ["--decode", "99999999"],
        ["--runs", "0"], ["--runs", "99999999999"], ["--image", "100000"], ["-t", "257"],
    ]) func ofBenchmarks(arguments: [String]) throws {
        try expectRange("tessera-bench", arguments, subcommand: "model")
    }

    @Test(arguments: [
        ["--rows", "99999999999"], ["--columns", "0"], ["--tokens", "99999999999"],
    ]) func ofKernels(arguments: [String]) throws {
        let outcome = try run("tessera-bench", arguments: ["kernels"] + arguments)
        #expect(outcome.status == 2 && outcome.errors.contains("is wanted"), "\(outcome)")
    }

    @Test func largeProductsAreRefusedBeforeTheyAreMade() throws {
        for arguments in [
            ["--rows", "1048576", "--columns", "1048576"],
            ["--rows", "65536", "--columns", "16384", "--tokens", "16384"],
        ] {
            let outcome = try run("tessera-bench", arguments: ["kernels"] + arguments)
            #expect(outcome.status == 2, "\(outcome)")
        }
        let outcome = try run(
            "tessera-bench", arguments: ["model", NumberOptionTests.bundle.get(), "--prefill", "1000000"])
        #expect(outcome.status == 5 && outcome.errors.contains("2048"))
    }

    @Test(arguments: [
        ["--ctx", "0"], ["--fps", "nan"], ["--max-frames", "0"], ["-t", "300"],
    ]) func ofPlans(arguments: [String]) throws {
        try expectRange("tessera-inspect", arguments, subcommand: "plan")
    }

    @Test(arguments: [
        ["--chunks", "99999999999999999999"], ["--chunks=-1"], ["-n", "0"], ["-c", "1"], ["--max-kl", "nan"],
        ["--max-rel-error=-1"], ["-t", "100000"],
    ]) func ofComparisons(arguments: [String]) throws {
        try expectRange("tessera-diff", [NumberOptionTests.bundle.get(), "--text", "/dev/null"] + arguments)
    }

    @Test(arguments: [
        ["--bits", "inf"], ["--bits", "nan"], ["--bits", "0"], ["--ctx", "0"], ["-t", "0"],
    ])
    func ofQuantizing(arguments: [String]) throws {
        try expectRange("tessera-quantize", ["-o", "/tmp/never"] + arguments)
    }

    @Test func sizesThatAreNone() throws {
        for size in ["1e30G", "99999999999T", "-1", "nan", "5..5"] {
            let outcome = try run(
                "tessera-run",
                arguments: [NumberOptionTests.bundle.get(), "-p", "x", "--memory-limit=\(size)"])
            #expect(outcome.status == 2, "\(size)")
        }
        for size in ["0x5", "1x99999999999", "2000000x1", "65536x1"] {
            let outcome = try run(
                "tessera-inspect", arguments: ["plan", NumberOptionTests.bundle.get(), "--image", size])
            #expect([2, 5].contains(outcome.status), "\(size): \(outcome)")
        }
    }

    private func expectRange(_ command: String, _ arguments: [String], subcommand: String? = nil) throws {
        let words = (subcommand.map { [$0] } ?? []) + [try NumberOptionTests.bundle.get()] + arguments
        let outcome = try run(command, arguments: words)
        #expect(outcome.status == 2, "\(words): \(outcome)")
        #expect(outcome.errors.contains("is wanted") && outcome.errors.contains(" to "), "\(outcome.errors)")
    }
}
