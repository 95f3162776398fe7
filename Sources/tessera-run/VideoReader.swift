import CommandSupport
import Prompts
import Storage
import Tessera

/// Reads videos and says what becomes of them.
struct VideoReader {
    let options: Model.VideoOptions
    let verbose: Bool

    /// - Throws: as ``Model/video(_:_:planned:)``.
    func read(_ path: String, _ model: Model) throws(Failure) -> PreparedPrompt.Visual {
        try model.video(path, options) { plan in
            if plan.selection.total == 1 {
                Console.warn("\(path) has one frame, which is taken for all of a video")
            }
            if verbose { Console.log("\(path): \(text(plan))") }
        }
    }

    private func text(_ plan: Model.VideoPlan) -> String {
        let (frames, selection) = (plan.frames, plan.selection)
        let free = plan.unboundedTokens
        return
            "\(selection.indices.count) of \(selection.total) frames, \(fixed(selection.rate, 3)) a second, of "
            + "\(frames.size.width)x\(frames.size.height) pixels, resized to "
            + "\(frames.resized.width)x\(frames.resized.height): \(frames.tokens) tokens"
            + (free == frames.tokens
                ? ""
                : " (\(free.map(String.init) ?? "more") by the checkpoint's own limits: --max-pixels none)")
    }
}
