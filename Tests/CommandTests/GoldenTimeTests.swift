import Storage
import TestSupport
import Testing

/// References whose seconds between frames are no time are refused, not computed with.
@Suite struct GoldenTimeTests {
    @Test(
        arguments: [
            (Float.nan, 3), (.infinity, 3), (-.infinity, 3), (-1e30, 3), (1e30, 3), (0.5, 1),
        ] as [(Float, Int32)])
    func secondsAreChecked(seconds: Float, status: Int32) throws {
        let directory = try TemporaryDirectory()
        let file = directory.file("golden.safetensors")
        func bytes<Value>(_ values: [Value]) -> [UInt8] { values.withUnsafeBytes(Array.init) }
        // Two frames of 2×2 patches, which are a token each; a reference that no model computes.
        try writeSafetensors(
            [
                TestTensor("input_ids", "I64", [1, 4], bytes([1, 196, 196, 2].map(Int64.init))),
                TestTensor(
                    "pixel_values_videos", "F32", [8, 1176], bytes([Float](repeating: 0.1, count: 8 * 1176))),
                TestTensor("video_grid_thw", "I64", [1, 3], bytes([2, 2, 2].map(Int64.init))),
                TestTensor("second_per_grid_ts", "F32", [1], bytes([seconds])),
                TestTensor("llm.norm", "F32", [4, 64], bytes([Float](repeating: 1000, count: 256))),
            ], to: file)
        let outcome = try run("tessera-diff", SharedBundles.published("qwen2.5-vl"), "--golden", file)
        #expect(outcome.status == status, "\(outcome)")
        let words = seconds.isFinite ? "seconds from frame to frame" : "second_per_grid_ts"
        #expect(outcome.errors.contains(words) == (status == 3), "\(outcome.errors)")
    }
}
