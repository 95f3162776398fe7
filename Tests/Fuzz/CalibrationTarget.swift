import Prompts
import SampleSets
import Storage
import TestSupport

@testable import Bundles
@testable import Calibration
@testable import GraphIR

extension FuzzTarget {
    /// A calibration file: the input is its metadata, a line feed, and the bytes of its tensors, cut or filled up with zeros
    /// to what the set in the metadata asks for.
    static let calibration = FuzzTarget(
        name: "calibration", maximumLength: 4096,
        words: [
            "kind", "calibration", "full", "light", "tokens", "visuals", "grid", "medium", "video",
            "seconds_per_frame", "timestamps", "\"separate\":true,",
        ],
        seeds: { try ["full", "light"].map(CalibrationInput.seed) },
        read: { bytes in
            let parts = bytes.split(separator: 10, maxSplits: 1, omittingEmptySubsequences: false)
            let input = try CalibrationInput(parsed(Array(parts[0])))
            guard input.layout.plan.allSatisfy({ $0.byteCount < 1 << 14 }), input.layout.plan.count < 64
            else { return }
            let path = MemoryFile.shared.holding(try input.bundle(parts.count > 1 ? Array(parts[1]) : []))
            try readAll(CalibrationFile(path, of: input.model, input.graph, input.settings))
        })

    private static func readAll(_ file: CalibrationFile) throws {
        for (stage, modalities) in file.stages {
            for modality in modalities {
                _ = try file.summary(stage, modality)
                _ = try file.meanSquares(stage, modality)
                _ = try file.moments(stage, modality)
                _ = try file.peaks(stage, modality, groupSize: 32)
            }
            _ = try file.balancedMoments(stage)
            _ = try file.sensitivity(stage)
        }
        for visual in file.prepared.visuals.indices { try file.withPatches(visual) { _ in } }
    }
}

/// What the metadata of a calibration file asks for.
private struct CalibrationInput {
    let metadata: JSON
    let model: Digest
    let graph: ModelGraph
    let settings: PromptSettings
    let layout: CalibrationLayout

    init(_ metadata: JSON) throws {
        self.metadata = metadata
        model = try SHA256.digest([])
        graph = try TinyGraph.oneLinear.get()
        // A key of this test's own: both rules are worth trying.
        settings = try FuzzTarget.tinyPrompt(metadata["separate"] == true ? .separateFrames : .frame)
        layout = try CalibrationLayout(
            graph, PreparedSet(json: metadata["set"], settings),
            metadata["detail"]?.string.flatMap(Detail.init) ?? .light,
            sensitivity: metadata["sensitivity"]?.bool == true)
    }

    /// A file of the weights' bytes.
    func bundle(_ bytes: [UInt8]) throws -> [UInt8] {
        let places = try WeightsLayout(layout.plan)
        let digests = [Digest](repeating: model, count: layout.plan.count)
        let directory = TensorDirectory(layout.plan, layout: places, digests: digests)
        let missing = max(0, places.byteCount - bytes.count)
        var list = SectionList([
            ("WGTS", Array(bytes.prefix(places.byteCount)) + [UInt8](repeating: 0, count: missing))
        ])
        for (code, text) in [
            ("GRPH", "{}"), ("META", metadata.serialized()), ("TOKN", ""),
            ("DIRY", directory.json.serialized()),
        ] {
            try list.append(code, Array(text.utf8), compressed: false)
        }
        return try list.bytes(directory)
    }

    /// A file of a picture and two texts, in which three rows were seen.
    static func seed(detail: String) throws -> [UInt8] {
        let visual = #"{"medium":"image","grid":[1,1,2],"seconds_per_frame":1.0,"timestamps":[]}"#
        let set = #"[{"tokens":[1,9,9,2],"visuals":[\#(visual)]},{"tokens":[3,4],"visuals":[]}]"#
        let model = try SHA256.digest([]).description
        let text =
            #"{"kind":"calibration","model":"\#(model)","detail":"\#(detail)","sensitivity":true,"set":\#(set)}"#
        let plan = try CalibrationInput(JSON(parsing: Array(text.utf8))).layout.plan
        var bytes: [UInt8] = []
        for tensor in plan {
            bytes += [UInt8](repeating: 0, count: (64 - bytes.count % 64) % 64)
            bytes +=
                tensor.name.hasSuffix("/summary")
                ? [3, -1, 1, 3, 0.5].flatMap { little(($0 as Double).bitPattern) }
                : [UInt8](repeating: 0, count: tensor.byteCount)
        }
        return Array(text.utf8) + [10] + bytes
    }
}
