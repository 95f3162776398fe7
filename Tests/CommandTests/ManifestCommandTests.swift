import Storage
import Testing

/// Planning for a model that was not downloaded.
@Suite struct ManifestCommandTests {
    @Test func aPublishedModelIsPlanned() throws {
        let outcome = try run(
            "tessera-from-qwen3-vl", "--manifest", "Qwen3-VL-30B-A3B", "--dry-run", "--quantize", "int4",
            "--json")
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.errors.contains("62141508064 bytes"))
        let report = try JSON(parsing: Array(outcome.output.utf8))
        #expect(report["generation"] == "qwen3-vl")
        #expect(report["parameters"] == 31_070_754_032)
        #expect(report["recipe"] == "int4")
        let recipes = try #require(report["recipes"]?.array)
        #expect(recipes.compactMap { $0["name"]?.string } == ["keep", "int8", "int4-fast", "int4"])
        let sizes = recipes.compactMap { $0["bundle_bytes"]?.int }
        #expect(sizes == sizes.sorted(by: >))
        // As published, behind a header.
        let kept = try #require(sizes.first)
        #expect(kept >= 62_141_508_064 && kept < 62_141_508_064 + (1 << 16))
    }

    @Test func allAreListed() throws {
        let outcome = try run("tessera-inspect", "manifests")
        #expect(outcome.status == 0)
        for words in ["Qwen/Qwen-VL-Chat ", "Qwen/Qwen2.5-VL-32B-Instruct", "471340045792"] {
            #expect(outcome.output.contains(words))
        }
    }

    @Test(
        arguments: [
            (["--manifest", "Qwen2-VL-2B"], 2, "no weights"),
            (["--manifest", "Qwen2-VL-3B", "--dry-run"], 2, "no manifest 'Qwen2-VL-3B'"),
            (["--manifest", "Qwen3-VL-2B", "--dry-run"], 3, "tessera-from-qwen3-vl"),
            (["--manifest", "Qwen2-VL-2B", "folder", "--dry-run"], 2, "said twice"),
            (["--dry-run"], 2, "not said"),
            (["folder"], 2, "no bundle to write"),
        ] as [([String], Int32, String)])
    func whatCannotBePlanned(arguments: [String], status: Int32, words: String) throws {
        let outcome = try run("tessera-from-qwen2-vl", arguments: arguments)
        #expect(outcome.status == status)
        #expect(outcome.errors.contains(words), "\(outcome.errors)")
    }
}
