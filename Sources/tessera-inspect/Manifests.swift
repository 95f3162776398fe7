import ArgumentParser
import Checkpoints
import CommandSupport
import Generations
import Storage

/// `tessera-inspect manifests`.
struct Manifests: ToolCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the published models that a converter's --dry-run --manifest NAME can plan for.")

    @Flag(help: "Report as JSON.")
    var json = false

    mutating func execute() throws(Failure) {
        var manifests: [CheckpointManifest] = []
        for name in CheckpointManifest.publishedNames {
            manifests.append(try CheckpointManifest(named: name))
        }
        guard !json else { return Console.print(JSON.array(manifests.map(report)).serialized(pretty: true)) }
        var table = Table("manifest", "published as", "tensors", "bytes", "")
        for manifest in manifests {
            table.add(
                manifest.name, manifest.source, "\(manifest.weights.count)", "\(manifest.byteCount)",
                ByteCount.text(manifest.byteCount))
        }
        Console.print(table.text)
    }

    private func report(_ manifest: CheckpointManifest) -> JSON {
        .pairs([
            "name": .string(manifest.name), "source": .string(manifest.source),
            "description": .string(manifest.summary), "tensors": .int(manifest.weights.count),
            "bytes": .int(manifest.byteCount), "config": manifest.config,
        ])
    }
}
