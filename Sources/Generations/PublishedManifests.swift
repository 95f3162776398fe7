public import Checkpoints
import Formats
public import Storage

extension CheckpointManifest {
    /// The published models that every build knows, by the names of their manifests.
    public static var publishedNames: [String] { Formats.checkpoints.map(\.name) }

    /// The manifest that a user names: a published model's, or else a file.
    /// - Throws: `usage` when there is neither, `badInput` when it is malformed.
    public init(named name: String) throws(Failure) {
        if let known = Formats.checkpoints.first(where: { $0.name == name }) {
            try self.init(json: try JSON(parsing: known.json))
            return
        }
        guard Path.exists(name) else {
            throw Failure(
                .usage, "there is no manifest '\(name)'",
                remedy: "use \(Self.publishedNames.joined(separator: ", ")) or the path of a manifest file")
        }
        try self.init(file: name)
    }
}
