import Storage
import TestSupport
import Testing

@testable import Prompts

@Suite struct PreprocessingTests {
    /// Patch values of pictures equal those of both reference processors, bit for bit.
    @Test func patchesEqualReference() throws {
        for entry in try Fixtures.json("preprocessing/pictures.json").array ?? [] {
            let files = try #require(entry["files"]?.strings)
            var preprocessor = ImagePreprocessor()
            preprocessor.resampling = try #require(
                entry["resampling"]?.string.flatMap(ImagePreprocessor.Resampling.init(rawValue:)))
            let patches = try preprocessor.patches(
                try ImageDecoder().decode(file: Fixtures.path("preprocessing/\(files[0])")))
            #expect([patches.grid.t, patches.grid.h, patches.grid.w] == entry["grid"]?.ints, "\(files)")
            #expect(
                try patches.values.digest() == entry["sha256"]?.string, "\(files) \(preprocessor.resampling)")
            let plan = try preprocessor.plan(
                try ImageDecoder().size(file: Fixtures.path("preprocessing/\(files[0])")))
            #expect(plan.grid == patches.grid)
            #expect(plan.patches * preprocessor.rowLength == patches.values.count)
            #expect(plan.tokens == plan.patches / 4)
        }
    }

    @Test func smartResizeEqualsReference() throws {
        for (name, table) in (try Fixtures.json("preprocessing/smart_resize.json").members ?? []).map({
            ($0.key, $0.value)
        }) {
            // Videos count their frames (VideoTests).
            guard let rows = table["rows_h_w_result"]?.array else { continue }
            var preprocessor = ImagePreprocessor()
            preprocessor.patchSize = try #require(table["factor"]?.int) / 2
            preprocessor.minimumPixels = try #require(table["min_pixels"]?.int)
            preprocessor.maximumPixels = try #require(table["max_pixels"]?.int)
            for row in rows {
                guard let parts = row.array, parts.count == 3, let height = parts[0].int,
                    let width = parts[1].int
                else { continue }
                let resized = try? preprocessor.smartResize(ImageSize(width: width, height: height))
                #expect(resized.map { [$0.height, $0.width] } == parts[2].ints, "\(name) \(height)×\(width)")
            }
        }
    }

    @Test func thinPicturesAreRefused() {
        let thin = failure { _ = try ImagePreprocessor().plan(ImageSize(width: 201, height: 1)) }
        #expect(thin?.kind == .badInput)
        #expect(
            failure { _ = try ImagePreprocessor().plan(ImageSize(width: 0, height: 1)) }?.kind == .badInput)
        let many = failure {
            _ = try ImagePreprocessor().plan(ImageSize(width: 4000, height: 4000), frames: 1 << 40)
        }
        #expect(many?.kind == .limit)
    }

    @Test func settingsSurviveJSON() throws {
        var settings = ImagePreprocessor()
        settings.patchSize = 16
        settings.resampling = .pillow
        #expect(try ImagePreprocessor(json: settings.json) == settings)
        #expect(failure { _ = try ImagePreprocessor(json: .pairs(["patch_size": 14])) }?.kind == .badInput)
    }

    @Test(arguments: [
        #"{"min_pixels": 3136, "max_pixels": 1003520, "patch_size": 14, "merge_size": 2}"#,
        #"{"size": {"shortest_edge": 3136, "longest_edge": 1003520}}"#,
        #"{"size": {"min_pixels": 3136, "max_pixels": 1003520}}"#,
        #"{"size": {"shortest_edge": 1, "longest_edge": 2}, "min_pixels": 3136, "max_pixels": 1003520}"#,
    ])
    func checkpointSettings(text: String) throws {
        let folder = try TemporaryDirectory()
        try folder.write("preprocessor_config.json", text)
        var expected = ImagePreprocessor()
        expected.maximumPixels = 1_003_520
        #expect(try ImagePreprocessor(ProcessorFiles(checkpoint: folder.path)) == expected)
        // The newer file goes first.
        try folder.write("processor_config.json", #"{"image_processor": {"patch_size": 16}}"#)
        #expect(try ImagePreprocessor(ProcessorFiles(checkpoint: folder.path)).patchSize == 16)
    }

    @Test(arguments: [
        #"{"patch_size": 0}"#, #"{"patch_size": "14"}"#, #"{"min_pixels": 9, "max_pixels": 8}"#,
        #"{"image_mean": [1, 2]}"#, #"{"image_std": [0, 1, 1]}"#, #"{"do_normalize": false}"#,
        #"{"max_pixels": 9223372036854775807}"#, #"{"resample": 2}"#, #"{"rescale_factor": 1}"#, "[",
    ])
    func badSettingsAreRefused(text: String) throws {
        let folder = try TemporaryDirectory()
        let file = try folder.write("preprocessor_config.json", text)
        let refusal = failure { _ = try ImagePreprocessor(ProcessorFiles(checkpoint: folder.path)) }
        #expect(refusal?.kind == .badInput)
        #expect(refusal?.file == file)
    }
}
