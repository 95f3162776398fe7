import Storage
import TestSupport

/// Bundles of the fixtures' checkpoints, each made once by its command.
enum SharedBundles {
    private static let directory = Result { try TemporaryDirectory() }

    static let demo = make("tessera-from-qwen2-vl", "demo-qwen2-vl")
    static let qwenVL = make("tessera-from-qwen-vl", "qwen-vl/published")
    static let qwen2VL = make("tessera-from-qwen2-vl", "qwen2-vl/published")
    static let qwen25VL = make("tessera-from-qwen2.5-vl", "qwen2.5-vl/published")
    static let qwen3VL = make("tessera-from-qwen3-vl", "qwen3-vl/published")
    static let qwen3VLExperts = make("tessera-from-qwen3-vl", "qwen3-vl-moe/published")

    private static func make(_ command: String, _ fixture: String) -> Result<String, any Error> {
        Result {
            let name = fixture.replacing("/", with: "-") + ".tessera"
            let path = try directory.get().file(name)
            let outcome = try run(command, Fixtures.path(fixture), "-o", path)
            guard outcome.status == 0 else { throw Failure.badInput(outcome.errors) }
            return path
        }
    }
}
