internal import Bundles
internal import GroupFormats
public import Storage

/// What a recipe makes of published codes.
///
/// They stay what they are where the recipe keeps the weight or would give it no fewer bits: quantizing them once more would
/// lose something and gain nothing.
enum CodesFate {
    case carried(TensorEncoding)
    case dequantized(because: String)

    init(_ codes: PublishedCodes, _ choice: Recipe.Choice) {
        switch (codes.form, choice) {
        case (.floats(let reason), _): self = .dequantized(because: reason)
        case (.exact(let own), .groups(let wanted, _)) where wanted.bits.rawValue < own.codeBits:
            self = .dequantized(because: "the recipe gives it \(wanted.bits.rawValue) bits")
        case (.exact(let own), .bands(let wanted, _))
        where wanted.formats.allSatisfy { $0.bits.rawValue < own.codeBits }:
            self = .dequantized(because: "the recipe gives it fewer bits")
        case (.exact(let own), _): self = .carried(own)
        }
    }

    var isCarried: Bool { if case .carried = self { true } else { false } }

    /// `GPTQ codes carried over exactly`; nil where nothing new is to be said.
    func note(_ kind: String?) -> String? {
        switch self {
        case .carried: kind.map { "\($0) carried over exactly" }
        case .dequantized(let reason): (kind.map { "\($0) " } ?? "") + "dequantized: \(reason)"
        }
    }
}

extension TensorEncoding {
    /// Bits of the published codes that it holds.
    fileprivate var codeBits: Int { publishedFormat?.bits.rawValue ?? 0 }
}

extension QuantizationPlan {
    /// `196 weights of published codes: 196 carried over exactly, 0 dequantized`; nil when the source has none.
    public var codesSummary: String? {
        let fates = items.compactMap(\.fate)
        guard !fates.isEmpty else { return nil }
        let carried = fates.count(where: \.isCarried)
        return "\(fates.count) weights of published codes: \(carried) carried over exactly, "
            + "\(fates.count - carried) dequantized"
    }

    /// A ledger, with what becomes of published codes entered in it: `published` with a `summary`, and a note for each of
    /// the `weights`. A ledger of a bundle keeps the notes of weights that were dequantized before.
    public func entering(into ledger: JSON) -> JSON {
        guard let codesSummary else { return ledger }
        var weights = ledger["published"]?["weights"] ?? .object([])
        for item in items where item.fate != nil {
            weights = weights.setting(item.weight.name, to: .string(item.description.note))
        }
        return ledger.setting(
            "published", to: .pairs(["summary": .string(codesSummary), "weights": weights]))
    }
}
