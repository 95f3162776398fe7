import Foundation
import Storage
import TestSupport
import Testing

/// The benchmark runs every generation, by what `tessera-run` calls.
@Suite struct BenchCommandTests {
    static let bundles: [(name: String, bundle: Result<String, any Error>, samples: Bool)] = [
        ("demo", SharedBundles.demo, false), ("qwen-vl", SharedBundles.qwenVL, true),
        ("qwen2-vl", SharedBundles.qwen2VL, true), ("qwen2.5-vl", SharedBundles.qwen25VL, true),
        ("qwen3-vl", SharedBundles.qwen3VL, true), ("qwen3-vl-moe", SharedBundles.qwen3VLExperts, true),
    ]

    @Test(arguments: bundles.indices) func everyGenerationIsTimed(index: Int) throws {
        let (name, bundle, samples) = BenchCommandTests.bundles[index]
        let outcome = try run(
            "tessera-bench", "model", bundle.get(), "--prefill", "20", "--decode", "3", "--image", "56",
            "--runs",
            "2", "-t", "2", "--json")
        #expect(outcome.status == 0, "\(name): \(outcome.errors)")
        let rows = try #require(try JSON(parsing: Array(outcome.output.utf8)).array)
        let names = rows.compactMap { $0["name"]?.string }
        var expected = ["prefill of 20", "decode of 3 after 20, greedily"]
        if samples { expected.append("decode of 3 after 20, as the model samples") }
        #expect(Array(names.dropLast()) == expected, "\(name)")
        #expect(names.last?.hasPrefix("encode of ") == true)
        for row in rows {
            let rates = row["rates"]?.array?.compactMap(\.double) ?? []
            #expect(rates.count == 2 && rates.allSatisfy { $0.isFinite && $0 > 0 } && rates == rates.sorted())
        }
    }

    @Test func oneTokenAndNoneAreTimed() throws {
        let outcome = try run(
            "tessera-bench", "model", SharedBundles.demo.get(), "--prefill", "1", "--decode", "0", "--runs",
            "1",
            "--cache-type", "f32")
        #expect(outcome.status == 0 && outcome.output.contains("prefill of 1"), "\(outcome)")
        #expect(!outcome.output.contains("decode"))
    }

    @Test func kernelsAreTimed() throws {
        let outcome = try run(
            "tessera-bench", "kernels", "--rows", "64", "--columns", "256", "--tokens", "4", "--json",
            environment: ["TESSERA_ISA": "scalar"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let rows = try #require(try JSON(parsing: Array(outcome.output.utf8)).array)
        #expect(rows.count >= 10 && rows.allSatisfy { $0["gmac_per_second"]?.double ?? 0 > 0 })
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
            "--runs", "1",
        ]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(text.hasPrefix("1 threads"), "\(text)")
    }
}
