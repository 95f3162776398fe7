import Storage
import TestSupport
import Testing

/// What is made of a damaged file must not look sound: its new digests would be right.
@Suite struct DamagedInputTests {
    /// A copy of a file with a changed bit in the midst of its weights.
    private func damaged(_ path: String, in directory: TemporaryDirectory) throws -> String {
        var bytes = try readFile(path)
        bytes[bytes.count / 2] ^= 1
        let copy = directory.file("damaged")
        try writeFile(copy, bytes)
        return copy
    }

    @Test func damagedWeightsAreNeitherCalibratedWithNorQuantized() throws {
        let directory = try TemporaryDirectory()
        let damaged = try damaged(SharedBundles.demo.get(), in: directory)
        for arguments in [
            ["tessera-quantize", damaged, "--recipe", "int4", "-o", directory.file("out")],
            [
                "tessera-calibrate", damaged, "--data", "default", "--tokens", "1024", "-o",
                directory.file("out"),
            ],
        ] {
            let outcome = try run(arguments[0], arguments: Array(arguments.dropFirst()))
            #expect(outcome.status == 1 && outcome.errors.contains("SHA-256"), "\(outcome)")
            #expect(!Path.exists(directory.file("out")))
        }
    }

    @Test func aDamagedCalibrationFileIsNotUsed() throws {
        let directory = try TemporaryDirectory()
        let (model, set) = (try SharedBundles.demo.get(), directory.file("set.cal"))
        let calibrated = try run(
            "tessera-calibrate", model, "--data", "default", "--tokens", "1024", "--no-sensitivity", "-o", set
        )
        #expect(calibrated.status == 0, "\(calibrated)")
        let outcome = try run(
            "tessera-quantize", model, "--calibration", try damaged(set, in: directory), "-o",
            directory.file("out"))
        #expect(outcome.status == 1 && outcome.errors.contains("SHA-256"), "\(outcome)")
        #expect(!Path.exists(directory.file("out")))
    }
}
