import Accuracy
import Checkpoints
import Prompts
import Storage
import Tessera
import TestSupport

/// A case of a fixture's `golden` folder: a prompt of token ids, pictures and a video, and what transformers made of it.
struct GoldenCase {
    let name: String
    private let folder: String
    private let contents: JSON

    /// The case of that name.
    init(_ fixture: String, _ name: String) throws {
        folder = "\(fixture)/golden"
        guard let contents = try Fixtures.json("\(folder)/cases.json")[name] else {
            throw Failure.badInput("there is no case '\(name)'", file: folder)
        }
        (self.name, self.contents) = (name, contents)
    }

    /// All cases of a fixture.
    static func all(of fixture: String) throws -> [GoldenCase] {
        let names = try Fixtures.json("\(fixture)/golden/cases.json").members?.map(\.key) ?? []
        return try names.map { try GoldenCase(fixture, $0) }
    }

    private var file: String { Fixtures.path("\(folder)/\(name).safetensors") }

    /// The pictures and the video, cut into the very patches that the reference took.
    func visuals(_ model: Model) throws -> [PreparedPrompt.Visual] {
        func paths(_ key: String) -> [String] {
            (contents[key]?.strings ?? []).map { Fixtures.path("\(folder)/\($0)") }
        }
        let pictures = try paths("pictures").map { try model.picture($0) }
        let frames = try paths("frames").map { try model.decoder.decode(file: $0) }
        let videos = try frames.isEmpty ? [] : [model.prompt.videos?.patches(frames)].compactMap { $0 }
        try check(pictures, "pixel_values_sha256")
        try check(videos, "pixel_values_videos_sha256")
        let seconds = contents["seconds_per_frame"]?.double ?? 1
        return pictures.map { PreparedPrompt.Visual(.image, $0) }
            + videos.map { PreparedPrompt.Visual(.video, $0, secondsPerFrame: seconds) }
    }

    private func check(_ patches: [Patches], _ key: String) throws {
        guard let digest = contents[key]?.string else { return }
        let pixels = patches.flatMap(\.values).withUnsafeBytes(Array.init)
        guard try SHA256.digest(pixels).description == digest else {
            throw Failure.badInput("has other pixels than the reference", file: file, at: key)
        }
    }

    /// The prompt, ready to be evaluated.
    func prompt(_ model: Model) throws -> PreparedPrompt {
        let ids = try SafetensorsFile(file).tensors.filter { $0.name == "input_ids" }.flatMap { tensor in
            (0..<tensor.shape.count).map {
                Int32(tensor.data.bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Int64.self))
            }
        }
        return try PreparedPrompt(tokens: ids, visuals: visuals(model), settings: model.prompt)
    }

    /// Runs the model on the prompt.
    func compare(_ model: Model) throws -> GoldenComparison {
        try GoldenComparison(model, file: file, visuals: visuals(model))
    }

    /// How many stages the file has something to compare with, the logits among them.
    var stageCount: Int {
        get throws {
            let names = try SafetensorsFile(file).tensors.map(\.name)
            let stages = names.filter { name in
                ["image.", "video.", "llm."].contains { name.hasPrefix($0) }
                    && !name.hasSuffix("window_index")
            }
            return stages.count + 1
        }
    }
}
