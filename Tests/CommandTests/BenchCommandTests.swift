import Checkpoints
import Foundation
import Storage
import TestSupport
import Testing

/// The benchmark runs every generation, by what `tessera-run` calls.
@Suite struct BenchCommandTests {
    /// What llama-bench's readers look for in each row.
    private static let fields = [
        "cpu_info", "backends", "model_filename", "model_type", "model_size", "model_n_params", "n_batch",
        "n_ubatch", "n_threads", "type_k", "type_v", "n_prompt", "n_gen", "n_depth", "test_time", "avg_ns",
        "stddev_ns", "avg_ts", "stddev_ts", "samples_ns", "samples_ts",
    ]

    private func rows(_ arguments: [String]) throws -> [JSON] {
        let outcome = try run("tessera-bench", arguments: ["model"] + arguments + ["-o", "json"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        return try #require(try JSON(parsing: Array(outcome.output.utf8)).array)
    }

    private func names(_ rows: [JSON]) -> [String] { rows.compactMap { $0["test"]?.string } }

    @Test(arguments: Fixtures.published + ["demo"]) func everyGenerationIsTimed(name: String) throws {
        let samples = name != "demo"
        let rows = try rows([
            samples ? SharedBundles.published(name) : SharedBundles.demo.get(), "--prefill", "20", "--decode",
            "3", "--image", "56", "--runs", "2", "-t", "2",
        ])
        #expect(
            names(rows) == ["pp20", "tg3"] + (samples ? ["tg3, sampled"] : []) + ["image 56x56"], "\(name)")
        for row in rows { try expectConsistency(row, runs: 2) }
    }

    /// Every figure of a row follows from its samples and its limits.
    private func expectConsistency(_ row: JSON, runs: Int) throws {
        let members = try #require(row.members)
        #expect(BenchCommandTests.fields.allSatisfy { field in members.contains { $0.key == field } })
        func number(_ key: String) throws -> Double { try #require(row[key]?.double, "\(key)") }
        func near(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= 1e-6 * abs(b) + 1 }
        let times = try #require(row["samples_ns"]?.array).compactMap(\.double)
        let rates = try #require(row["samples_ts"]?.array).compactMap(\.double)
        #expect(times.count == runs && rates.count == runs && times.allSatisfy { $0 > 0 })
        let units = try number("n_prompt") + number("n_gen") + (row["n_visual"]?.double ?? 0)
        for (time, rate) in zip(times, rates) { #expect(abs(rate * time * 1e-9 - units) < 1e-3 * units) }
        let mean = times.reduce(0, +) / Double(runs)
        #expect(near(try number("avg_ns"), mean))
        #expect(abs(try number("avg_ts") * Double(runs) - rates.reduce(0, +)) < 1e-6 * rates.reduce(0, +))
        if runs == 2 { #expect(near(try number("stddev_ns"), abs(times[0] - times[1]) / 2.0.squareRoot())) }
        let compute =
            try number("integer_macs") / number("limit_integer_macs")
            + number("float_macs") / number("limit_float_macs")
        let read = try number("read_bytes") / number("limit_read_bytes")
        #expect(near(try number("limit_ns"), max(compute, read) * 1e9))
        #expect(abs(try number("of_limit") * mean / (max(compute, read) * 1e9) - 1) < 1e-3)
        #expect(row["bound"]?.string == (compute > read ? "compute" : "memory"))
        #expect(try number("peak_anonymous") > 0 && number("peak_mapped") > 0 && number("load_ns") > 0)
        #expect(row["test_time"]?.string?.wholeMatch(of: /20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ/) != nil)
    }

    @Test func listsAreCombined() throws {
        let rows = try rows([
            SharedBundles.demo.get(), "-p", "4,8", "-n", "2", "-pg", "6,3", "-d", "0,5", "-t", "1,2", "-r",
            "1",
            "--image", "28,56x84",
        ])
        let texts = ["pp4", "pp8", "tg2", "pp6+tg3"]
        let once = texts + texts.map { "\($0) @ d5" } + ["image 28x28", "image 56x84"]
        #expect(names(rows) == once + once)
        #expect(rows.compactMap { $0["n_threads"]?.int } == once.map { _ in 1 } + once.map { _ in 2 })
        let mixed = try #require(rows.first { $0["test"]?.string == "pp6+tg3 @ d5" })
        #expect(mixed["n_prompt"]?.int == 6 && mixed["n_gen"]?.int == 3 && mixed["n_depth"]?.int == 5)
        // What came before is seen by attention alone.
        func work(_ name: String) -> Int? {
            rows.first { $0["test"]?.string == name }?["float_macs"]?.int
        }
        // Two products with each key, for 4 heads of 32 columns in 4 layers.
        let attention = 2 * 4 * 32 * 4
        #expect(try #require(work("pp8 @ d5")) - #require(work("pp8")) == 8 * 5 * attention)
        #expect(try #require(work("tg2 @ d5")) - #require(work("tg2")) == 2 * 5 * attention)
    }

    /// Against the demo's matrices, which are bf16: one product for each weight and token, two bytes read for each weight.
    @Test func workIsThatOfTheWeights() throws {
        let tensors = try Checkpoint(Fixtures.path("demo-qwen2-vl")).tensors
        func count(_ isMeant: (String) -> Bool) -> Int {
            tensors.filter { $0.shape.rank >= 2 && isMeant($0.name) }.reduce(0) { $0 + $1.shape.count }
        }
        let table = count { $0.contains("embed_tokens") }
        let layers = count { $0.contains("layers.") && !$0.contains("visual") }
        let rows = try rows([SharedBundles.demo.get(), "-p", "7", "-n", "1", "-r", "1", "-t", "1"])
        let attention = 2 * 4 * 32 * 4
        #expect(rows[1]["float_macs"]?.int == layers + table + attention)
        #expect(rows[0]["float_macs"]?.int == 7 * layers + table + 7 * 8 / 2 * attention)
        // A row of the table for the token, and its key and value: 2 heads of 32 columns in each of 4 layers.
        let bytes = 2 * (layers + table) + 2 * 128 + 2 * 2 * 2 * 32 * 4
        #expect(rows[1]["read_bytes"]?.int == bytes)
        #expect(rows.allSatisfy { $0["integer_macs"]?.int == 0 })
    }

    /// The stages of a prompt and a picture together have the work of the whole.
    @Test func stagesAddUp() throws {
        let rows = try rows([
            SharedBundles.demo.get(), "-p", "9", "-n", "0", "--image", "56", "--stages", "-r", "1",
        ])
        for whole in rows where whole["stage"]?.string == nil {
            let parts = rows.filter { row in
                row["stage"]?.string != nil && row["n_prompt"] == whole["n_prompt"]
                    && row["image_width"] == whole["image_width"]
            }
            #expect(parts.count >= 4)
            for key in ["float_macs", "integer_macs", "read_bytes"] {
                #expect(parts.reduce(0) { $0 + ($1[key]?.int ?? -1) } == whole[key]?.int, "\(key)")
            }
        }
        let stages = rows.compactMap { $0["stage"]?.string }
        #expect(Set(["patch_embed", "block.*.attention", "block.*.mlp", "logits"]).isSubset(of: stages))
    }

    @Test func everyFormHasTheSameRows() throws {
        let arguments = try [
            "model", SharedBundles.demo.get(), "-p", "3", "-n", "2", "--runs", "1", "--cache-type", "f32",
        ]
        func output(_ form: String) throws -> [String] {
            let outcome = try run("tessera-bench", arguments: arguments + ["-o", form])
            #expect(outcome.status == 0, "\(outcome.errors)")
            return outcome.output.split(separator: "\n").map(String.init)
        }
        let lines = try output("jsonl").map { try JSON(parsing: Array($0.utf8)) }
        #expect(names(lines) == ["pp3", "tg2"] && lines.allSatisfy { $0["type_k"]?.string == "f32" })
        let table = try output("csv")
        let header = table[0].split(separator: ",").map(String.init)
        #expect(table.count == 3 && header.contains("avg_ts") && !header.contains("samples_ns"))
        #expect(table[1].contains("\"pp3\"") && table[2].contains("\"tg2\""))
        let page = try output("md")
        #expect(page[0].contains("| model") && page[0].contains("of limit") && page[1].hasPrefix("|--"))
        #expect(page[2].contains(" pp3 ") && page[3].contains(" tg2 ") && page[4].contains("GMAC/s"))
        #expect(Set(page[..<4].map(\.count)).count == 1)
    }

    @Test func withoutWarmupMemoryIsNotKnown() throws {
        let rows = try rows([
            SharedBundles.demo.get(), "-p", "1", "--decode", "0", "-r", "1", "--no-warmup",
        ])
        #expect(names(rows) == ["pp1"] && rows[0]["peak_anonymous"] == nil)
    }

    @Test(arguments: [
        [], ["MODEL", "--random", "Qwen2-VL-2B"], ["MODEL", "--recipe", "int8"],
        ["MODEL", "--keep", "/tmp/never"], ["MODEL", "--random-layers", "2"],
        ["MODEL", "-p", "0", "-n", "0"],
        ["MODEL", "-p", "1,,2"], ["MODEL", "-p", "x"], ["MODEL", "-pg", "5"], ["MODEL", "-pg", "5,6,7"],
        ["MODEL", "-pg", "5,0"], ["MODEL", "-o", "xml"], ["MODEL", "--image", "0"],
        ["MODEL", "--image", "5x"],
        ["MODEL", "--image", "9000"], ["MODEL", "-t", "1,0"], ["--random", "no-such-model"],
        ["--random", "Qwen2-VL-2B", "--recipe", "no-such-recipe"],
        ["--random", "Qwen2-VL-2B", "--random-layers", "99"],
    ]) func whatIsNotSensible(arguments: [String]) throws {
        let words = try arguments.map { $0 == "MODEL" ? try SharedBundles.demo.get() : $0 }
        let outcome = try run("tessera-bench", arguments: ["model"] + words)
        #expect(outcome.status == 2 && outcome.output.isEmpty, "\(words): \(outcome)")
    }

    @Test func kernelsAreTimed() throws {
        let outcome = try run(
            "tessera-bench", "kernels", "--rows", "64", "--columns", "256", "--tokens", "4", "--json",
            environment: ["TESSERA_ISA": "scalar"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let rows = try #require(try JSON(parsing: Array(outcome.output.utf8)).array)
        #expect(rows.count >= 10 && rows.allSatisfy { $0["gmac_per_second"]?.double ?? 0 > 0 })
        let (products, recurrences) = (
            rows.filter { $0["of_integer_peak"] != nil }, rows.filter { $0["of_float_peak"] != nil }
        )
        #expect(
            products.count >= 10 && recurrences.count >= 2 && products.count + recurrences.count == rows.count
        )
        #expect(products.allSatisfy { $0["of_integer_peak"]?.double ?? 0 > 0 })
        #expect(recurrences.allSatisfy { $0["of_float_peak"]?.double ?? 0 > 0 })
    }

    /// As many threads as processors are allowed, not as there are.
    @Test(
        .enabled(
            if: FileManager.default.isExecutableFile(atPath: "/usr/bin/taskset"), "taskset is not installed"))
    func affinityIsKeptTo() throws {
        let tool = try Path.join(
            Path.directory(FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")),
            "tessera-bench")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/taskset")
        process.arguments = [
            "-c", "0", tool, "model", try SharedBundles.demo.get(), "--prefill", "2", "--decode", "0",
            "--runs", "1", "--json",
        ]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        let rows = try #require(try JSON(parsing: Array(text.utf8)).array)
        #expect(rows.map { $0["n_threads"]?.int } == [1], "\(text)")
    }
}
