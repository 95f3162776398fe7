import ArgumentParser
import Bundles
import CommandSupport
import GraphIR
import Prompts
import Runtime
import Storage
import Tessera
import Threads

struct Show: ToolCommand {
    static let configuration = CommandConfiguration(abstract: "Show what is in a bundle, and verify it.")

    enum GraphForm: String, ExpressibleByArgument, CaseIterable { case text, json, mermaid }

    @Argument(help: "The bundle.")
    var model: String

    @Flag(
        help: """
            Read every byte and check it against the digests, exit code 1 names what is damaged; then open it as \
            tessera-run does, exit code 3 says what could not be run.
            """)
    var verify = false

    @Flag(help: "List every tensor.")
    var tensors = false

    @Flag(help: "Print the metadata.")
    var metadata = false

    @Option(help: "Print the graph as text, json or mermaid.")
    var graph: GraphForm?

    @Option(name: [.short, .long], help: "Threads to verify with.", transform: whole(Allowed.threads))
    var threads: Int = ThreadPool.processors

    @Flag(help: "Report as JSON.")
    var json = false

    mutating func execute() throws(Failure) {
        let bundle = try Bundle(model)
        if let graph { return try printGraph(bundle, graph) }
        if metadata { return Console.print(try bundle.metadata.serialized(pretty: true)) }
        if verify {
            try bundle.verify(threads: threads)
            // Digests say that nothing was damaged, not that it was right: what runs a bundle checks the rest as it opens it.
            _ = try Model(model, .init(threads: 1))
        }
        if json {
            Console.print(try report(bundle).serialized(pretty: true))
        } else {
            try printReport(bundle)
        }
    }

    private func printGraph(_ bundle: Bundle, _ form: GraphForm) throws(Failure) {
        let json = try bundle.graphJSON
        switch form {
        case .json: Console.print(json.serialized(pretty: true))
        case .text: Console.print(try ModelGraph(json: json).text)
        case .mermaid: Console.print(try ModelGraph(json: json).mermaid)
        }
    }

    private func printReport(_ bundle: Bundle) throws(Failure) {
        let metadata = try bundle.metadata
        let general = metadata["general"]
        let provenance = metadata["provenance"]
        Console.print(
            "\(bundle.path): \(general?["architecture"]?.string ?? "unknown"), \(ByteCount.text(bundle.file.bytes.count))"
        )
        Console.print("digest       \(bundle.digest)\(verify ? " (verified)" : "")")
        Console.print("parameters   \(general?["parameter_count"]?.int ?? 0)")
        Console.print("context      \(general?["context_length"]?.int ?? 0) tokens")
        Console.print("made by      \(provenance?["tool"]?.string ?? "unknown")")
        Console.print("coverage     \(provenance?["ledger"]?["summary"]?.string ?? "unknown")")
        if let settings = provenance?["settings"]?["summary"]?.string {
            Console.print("settings     \(settings)")
        }
        let template = metadata["prompt"]?["chat_template"]
        Console.print(
            "template     \(template?["name"]?.string ?? "none") (\(template?["source"]?.string ?? "unknown"))"
        )
        if let json = template, let warning = try ChatTemplate(json: json).warning { Console.warn(warning) }
        for setting in provenance?["settings"]?["passed_over"]?.array ?? [] {
            Console.print(
                "passed over  \(setting["file"]?.string ?? ""): \(setting["key"]?.string ?? "") "
                    + "(\(setting["value"]?.string ?? ""))")
        }
        if let codes = provenance?["ledger"]?["published"]?["summary"]?.string {
            Console.print("codes        \(codes)")
        }
        for section in bundle.carried {
            Console.print("carried      section \(section.code), \(ByteCount.text(section.byteCount))")
        }
        Console.print("recipe       \(provenance?["recipe"]?["name"]?.string ?? "none")")
        for source in provenance?["sources"]?.array ?? [] {
            Console.print(
                "source       \(source["file"]?.string ?? "") sha256 \(source["sha256"]?.string ?? "")")
        }
        Console.print(EncodingTable(bundle.tensors.map(\.description)).text)
        guard tensors else { return }
        var table = Table("tensor", "shape", "encoding", "bytes", "sha256")
        for tensor in bundle.tensors {
            table.add(
                tensor.name, "\(tensor.shape)", "\(tensor.encoding)", "\(tensor.byteCount)",
                String("\(tensor.digest)".prefix(16)))
        }
        Console.print(table.text)
    }

    private func report(_ bundle: Bundle) throws(Failure) -> JSON {
        let tensors = bundle.tensors.map { tensor in
            JSON.pairs([
                "name": .string(tensor.name), "shape": .array(tensor.shape.extents.map(JSON.int)),
                "encoding": .string("\(tensor.encoding)"),
                "offset": .int(bundle.fileRange(of: tensor).lowerBound),
                "bytes": .int(tensor.byteCount), "sha256": .string("\(tensor.digest)"),
                "sources": .array(tensor.sources.map(JSON.string)), "note": .string(tensor.note),
            ])
        }
        return .pairs([
            "file": .string(bundle.path), "bytes": .int(bundle.file.bytes.count),
            "digest": .string("\(bundle.digest)"), "verified": .bool(verify), "metadata": try bundle.metadata,
            "carried": .array(
                bundle.carried.map { .pairs(["code": .string($0.code), "bytes": .int($0.byteCount)]) }),
            "tensors": .array(tensors),
        ])
    }
}
