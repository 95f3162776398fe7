import Storage
import TestSupport

@testable import Checkpoints

extension FuzzTarget {
    /// An adapter: the input is its configuration, which ends before the first zero, and its safetensors file.
    static let adapter = FuzzTarget(
        name: "adapter", maximumLength: 4096,
        words: [
            "peft_type", "LORA", "lora_alpha", "use_dora", "use_rslora", "rank_pattern", "alpha_pattern",
            "(.*)*", "{2,}",
            "[^a-z]", "init_lora_weights", ".lora_A.weight", ".lora_B.weight", ".lora_embedding_A",
            ".lora_magnitude_vector", ".base_layer.weight", "base_model.model.", "F32", "BF16", "[2,3]",
            "[2,3,1,1]",
        ],
        seeds: { [small(of: 1), small(of: 2)] },
        read: { bytes in
            let end = bytes.firstIndex(of: 0) ?? bytes.endIndex
            let json = try parsed(Array(bytes[..<end]))
            let config = try AdapterConfig(SettingsReader(json, file: "adapter_config.json"))
            let path = MemoryFile.shared.holding(Array(bytes[end...].dropFirst()))
            let tensors = try AdapterTensors(SafetensorsFile(path).tensors, file: path)
            for (_, change) in try tensors.changes(config).changes {
                if case .added(let added) = change { try merge(added) }
            }
        })

    /// Adds a change to rows of ones, as merged weights do.
    private static func merge(_ change: LowRankChange) throws(Failure) {
        guard let shape = Shape(checking: change.product), shape.extents[0] > 0 else {
            fatalError("a change of nothing was accepted")
        }
        require(change.refusal(shape) == nil, "a change cannot be added to what it is of")
        let columns = shape.count / shape.extents[0], rows = 0..<min(shape.extents[0], 20)
        let out = UnsafeMutablePointer<Float>.allocate(capacity: rows.count * columns)
        defer { out.deallocate() }
        out.initialize(repeating: 1, count: rows.count * columns)
        try change.add(rows, columns: columns, to: out)
    }

    /// An adapter of one pair of matrices.
    private static func small(of rank: Int) -> [UInt8] {
        let config = #"{"r":\#(rank),"use_dora":true,"alpha_pattern":{"^m.(a|b)+[0-9]?":3}}"#
        let header =
            #"{"m.a.lora_A.weight":{"dtype":"F32","shape":[\#(rank),3],"data_offsets":[0,\#(12 * rank)]},"#
            + #""m.a.lora_B.weight":{"dtype":"F32","shape":[2,\#(rank)],"data_offsets":[\#(12 * rank),\#(20 * rank)]},"#
            + #""m.a.lora_magnitude_vector":{"dtype":"F32","shape":[2],"data_offsets":[\#(20 * rank),\#(20 * rank + 8)]}}"#
        return Array(config.utf8) + [
            0, UInt8(truncatingIfNeeded: header.utf8.count), UInt8(header.utf8.count >> 8),
        ]
            + [UInt8](repeating: 0, count: 6) + Array(header.utf8)
            + [UInt8](repeating: 60, count: 20 * rank + 8)
    }
}
