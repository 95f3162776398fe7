import Storage
import TestSupport
import Testing

/// Bundles of the fixtures' checkpoints, each made once by its command.
enum SharedBundles {
    private static let directory = Result { try TemporaryDirectory() }

    static let demo = make("qwen2-vl", "demo-qwen2-vl")
    private static let made = Dictionary(
        uniqueKeysWithValues: Fixtures.published.map { ($0, make($0, "\($0)/published")) })

    /// That of a published checkpoint.
    static func published(_ fixture: String) throws -> String { try #require(made[fixture]).get() }

    private static func make(_ fixture: String, _ folder: String) -> Result<String, any Error> {
        Result {
            let path = try directory.get().file(folder.replacing("/", with: "-") + ".tessera")
            let command = try "tessera-from-\(generation(of: fixture))"
            let outcome = try run(command, Fixtures.path(folder), "-o", path)
            guard outcome.status == 0 else { throw Failure.badInput(outcome.errors) }
            return path
        }
    }
}
