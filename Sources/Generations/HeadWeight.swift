import Checkpoints
import Storage

/// Whether the head is the embedding, by what config.json says and by what the checkpoint holds.
///
/// As transformers loads it: a head that is stored and differs from the embedding is used whatever the configuration
/// says. One that is neither stored nor said to be tied would there be made up at random; it is taken to be tied.
struct HeadWeight {
    let isTied: Bool
    /// Slots that the graph then lacks, and why.
    let unneeded: [String: String]
    let warning: String?

    init(_ config: SettingsReader, _ weights: [StoredWeight], _ table: NameTable) {
        func stored(_ slot: String) -> StoredWeight? {
            weights.first { table.sources(of: $0.name).first?.slot == slot }
        }
        // The root decides; some saves carry the key in `text_config` alone.
        let said =
            config["tie_word_embeddings"]?.bool
            ?? config.object("text_config")?["tie_word_embeddings"]?.bool
        switch (said ?? false, stored("text.head.weight")) {
        case (false, nil):
            isTied = true
            warning =
                said == nil
                ? "the checkpoint holds no head, and config.json does not say what it is: using the embedding"
                : "config.json says that the head is not the embedding, but the checkpoint holds no head: using the embedding"
            unneeded = [:]
        case (false, _):
            (isTied, warning, unneeded) = (false, nil, [:])
        case (true, nil):
            (isTied, warning, unneeded) = (true, nil, [:])
        case (true, let head?):
            isTied = stored("text.embedding.weight").map { HeadWeight.areEqual($0, head) } ?? true
            warning =
                isTied
                ? nil
                : "config.json says that the head is the embedding, but the checkpoint, or an adapter, holds another: using that"
            unneeded =
                isTied ? ["text.head.weight": "the head is the embedding (tie_word_embeddings)"] : [:]
        }
    }

    private static func areEqual(_ a: StoredWeight, _ b: StoredWeight) -> Bool {
        switch (a.form, b.form) {
        case (.plain(let a), .plain(let b)):
            a.type == b.type && a.shape == b.shape && a.data.bytes.elementsEqual(b.data.bytes)
        // Where there is nothing to compare, config.json is believed.
        case (.described, .described): true
        default: false
        }
    }
}
