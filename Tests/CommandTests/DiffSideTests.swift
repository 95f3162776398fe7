import Bundles
import Storage
import TestSupport
import Testing

/// Sides of `tessera-diff` that are no bundles, and `--verify`.
@Suite struct DiffSideTests {
    private let directory: TemporaryDirectory
    private let checkpoint = Fixtures.path("demo-qwen2-vl")

    init() throws { directory = try TemporaryDirectory() }

    private func document(_ outcome: Outcome) throws -> JSON { try JSON(parsing: Array(outcome.output.utf8)) }

    /// A temporary folder of its own, in which nothing may be left.
    private func temporary() throws -> String {
        let path = directory.file("tmp")
        if !Path.exists(path) { try makeDirectory(path) }
        return path
    }

    @Test func aCheckpointIsTheBundleThatItBecomes() throws {
        let bundle = try SharedBundles.demo.get()
        let temporary = try temporary()
        let before = try Path.list(checkpoint)
        for sides in [[checkpoint, bundle], [bundle, checkpoint]] {
            let outcome = try run(
                "tessera-diff", arguments: sides + ["--json"], environment: ["TMPDIR": temporary])
            #expect(outcome.status == 0, "\(outcome.errors)")
            let document = try document(outcome)
            #expect(document["verdict"] == "Weights and all that goes with them are the same.")
            #expect(document["tensors"]?.array?.count == 105)
            #expect(outcome.errors.contains("4.04 MiB without a name in \(temporary)"))
            #expect(try Path.list(temporary) == [])
        }
        #expect(try Path.list(checkpoint) == before)
    }

    @Test func aCheckpointIsRun() throws {
        let picture = Fixtures.path("demo-pictures/scene_0.png")
        let outcome = try run(
            "tessera-diff", checkpoint, try SharedBundles.demo.get(), "-p", "What is this?", "--image",
            picture,
            "-n", "2", "--json")
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(try document(outcome)["divergence"]?["mean"]?.double == 0)
    }

    /// The same model in GGUF, beside the folder that it was made of; `--mmproj` is for the side that has one.
    @Test func aModelInGGUF() throws {
        let (folder, elsewhere) = (directory.file("gguf"), directory.file("mmproj"))
        for path in [folder, elsewhere] { try makeDirectory(path) }
        let twin = try GGUFTwin(of: "qwen3-vl/published")
        let text = try twin.write(to: folder)
        try putFile(Path.join(elsewhere, "mmproj.gguf"), twin.vision.bytes)
        let published = Fixtures.path("qwen3-vl/published")
        for sides in [
            [folder, published], [published, text, "--mmproj", Path.join(elsewhere, "mmproj.gguf")],
        ] {
            let outcome = try run("tessera-diff", arguments: sides + ["--json"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            let document = try document(outcome)
            #expect(document["tensors"]?.array?.allSatisfy { $0["error"]?.double == 0 } == true)
            #expect(document["findings"]?.array?.allSatisfy { $0["kind"] == "prompt-settings" } == true)
        }
    }

    @Test func whatCannotBeASideIsSaidSo() throws {
        let bundle = try SharedBundles.demo.get()
        let empty = directory.file("empty")
        try makeDirectory(empty)
        let refused = try run("tessera-diff", empty, bundle)
        #expect(refused.status == 3 && refused.errors.contains("is an empty folder"), "\(refused.errors)")
        // Files may have 1 MiB here.
        let full = try shell("ulimit -f 1024; tessera-diff '\(checkpoint)' '\(bundle)'")
        #expect(
            full.status == 4 && full.errors.contains("set TMPDIR to a folder with 4.04 MiB"), "\(full.errors)"
        )
        let lost = try run(
            "tessera-diff", arguments: [checkpoint, bundle], environment: ["TMPDIR": directory.file("none")])
        #expect(lost.status == 4, "\(lost.errors)")
        #expect(try run("tessera-diff", bundle, bundle, "--verify").status == 2)
        #expect(try run("tessera-diff", checkpoint, bundle, "--verify", "-p", "Hello").status == 2)
    }

    /// Converted and quantized at once, in two steps, and from codes as they were published: every byte is made anew.
    @Test func whatWasConvertedIsVerified() throws {
        let demo = try SharedBundles.demo.get()
        let (int4, int8, codes) = (
            directory.file("int4.tessera"), directory.file("int8.tessera"), directory.file("codes.tessera")
        )
        let published = try PackedTwin(.gptq, of: "demo-qwen2-vl", in: directory).packed
        #expect(try run("tessera-from-qwen2-vl", checkpoint, "--quantize", "int4", "-o", int4).status == 0)
        #expect(try run("tessera-quantize", demo, "--recipe", "int8", "-o", int8).status == 0)
        #expect(try run("tessera-from-qwen2-vl", published, "-o", codes).status == 0)
        for (first, second) in [
            (checkpoint, demo), (checkpoint, int4), (int8, checkpoint), (published, codes),
        ] {
            let outcome = try run("tessera-diff", first, second, "--verify", "--json")
            #expect(outcome.status == 0, "\(outcome.errors)")
            let document = try document(outcome)
            #expect(document["different"] == 0 && document["within_format"] == 0)
            #expect(document["same_bytes"]?.int ?? 0 > 50 && document["findings"] == [])
        }
    }

    /// A byte of a tile, a value of a norm and a setting, the digests being right: each is named, the worst first.
    @Test func whatIsNotAsConvertedIsNamed() throws {
        let int4 = directory.file("int4.tessera")
        #expect(try run("tessera-from-qwen2-vl", checkpoint, "--quantize", "int4", "-o", int4).status == 0)
        let (gate, norm) = ("text.block.1.mlp.gate.weight", "text.block.2.norm1.weight")
        let forged = try rewrite(int4, at: directory.file("forged.tessera")) { metadata in
            metadata.setting(
                "sampling", to: (metadata["sampling"] ?? .object([])).setting("top_k", to: .int(7)))
        } tensors: { tensor, bytes in
            if tensor.name == gate { bytes[2000] ^= 0x10 }
            // The sign of element 5.
            if tensor.name == norm { bytes[11] ^= 0x80 }
        }
        let outcome = try run("tessera-diff", checkpoint, forged, "--verify", "--json")
        #expect(outcome.status == 1)
        let document = try document(outcome)
        let findings = document["findings"]?.array ?? []
        #expect(findings.map { $0["kind"] } == ["not-as-converted", "not-as-converted", "prompt-settings"])
        #expect(findings.map { $0["tensor"] ?? .null } == [.string(norm), .string(gate), .null])
        #expect(findings[1]["words"]?.string?.contains("1 of its") == true)
        #expect(findings[1]["words"]?.string?.contains("the first at 2000") == true)
        let error = findings[1]["figure"]?.double ?? 0
        #expect(error > 0 && error < 0.1)
        #expect(document["different"] == 2 && document["same_bytes"] == 103)
        #expect(document["verdict"]?.string?.contains(norm) == true && outcome.errors.contains(norm))
    }

    /// What needs a calibration file to be made anew is compared as weights are, and counted apart.
    @Test func whatWasCalibratedIsComparedByItsFormat() throws {
        let int4 = directory.file("int4.tessera")
        #expect(try run("tessera-from-qwen2-vl", checkpoint, "--quantize", "int4", "-o", int4).status == 0)
        let gate = "text.block.1.mlp.gate.weight"
        func verified(_ edit: (TensorEntry, inout [UInt8]) -> Void) throws -> Outcome {
            let path = directory.file("calibrated.tessera")
            _ = try rewrite(
                int4, at: path,
                metadata: { metadata in
                    let provenance = metadata["provenance"] ?? .object([])
                    return metadata.setting(
                        "provenance", to: provenance.setting("calibration", to: "0123"))
                }, tensors: edit)
            return try run("tessera-diff", checkpoint, path, "--verify", "--json")
        }
        let sound = try verified { tensor, bytes in if tensor.name == gate { bytes[2000] ^= 0x10 } }
        #expect(sound.status == 0, "\(sound.errors)")
        let counts = try document(sound)
        let (same, within) = (counts["same_bytes"]?.int ?? 0, counts["within_format"]?.int ?? 0)
        #expect(same > 0 && within > 0 && same + within == 105 && counts["different"] == 0)
        // A tile's rows are lost.
        let broken = try verified { tensor, bytes in
            if tensor.name == gate { for index in 0..<1024 { bytes[index] = 0 } }
        }
        #expect(broken.status == 1)
        let finding = try document(broken)["findings"]?.array?.first
        #expect(finding?["tensor"] == .string(gate), "\(broken.output.prefix(400))")
    }
}
