import Storage

extension Section {
    /// The most weights that are listed, and of which histograms are drawn.
    private static let mostTensors = 5000
    private static let mostHistograms = 12

    /// Weights side by side; nil when none was compared.
    static func tensors(_ tensors: [TensorPair]) -> Section? {
        guard !tensors.isEmpty else { return nil }
        let worst = tensors.filter { !$0.isRewritten && $0.error != 0 }.worstFirst(\.excess)
        var furthest = HTMLTable(
            "Weights that are furthest away for their format", .text("weight"), .word("base"), .word("other"),
            .number("error"), .number("its format costs"), .number("median of its role"), .number("cosine"),
            .text("worst row"), .text("worst group"))
        for tensor in worst.prefix(8) { add(tensor, to: &furthest) }
        var all = HTMLTable(
            "All weights", .text("weight"), .word("base"), .word("other"), .number("error"),
            .number("its format costs"), .number("median of its role"), .number("cosine"), .text("worst row"),
            .text("worst group"), .text("shape"), .number("bytes"))
        for tensor in tensors.prefix(mostTensors) { add(tensor, to: &all, isWhole: true) }
        let histograms = worst.compactMap { tensor in tensor.histogram.map { (tensor.name, $0) } }
            .prefix(mostHistograms).enumerated().map { number, pair in
                HistogramChart(title: pair.0, histogram: pair.1).markup(id: "histogram-\(number)")
            }
        return Section(
            id: "tensors", title: "Weights",
            body: """
                \(furthest.isEmpty ? "<p>All weights are the same.</p>" : furthest.markup)
                \(histograms.isEmpty ? "" : section(histograms))
                \(all.folded("All weights in numbers", of: tensors.count))
                """)
    }

    private static func section(_ histograms: [Markup]) -> Markup {
        """
        <h3>Values of the worst</h3>
        <ul class="legend"><li><svg width="24" height="12" aria-hidden="true"><path class="area s0" d="M0 12V2H24V12Z"/>\
        </svg>base</li><li><svg width="24" height="12" aria-hidden="true"><path class="dashes s1" d="M0 6H24"/></svg>\
        other</li><li>counts on a scale of logarithms</li></ul>
        <div class="histograms">\(histograms)</div>
        """
    }

    private static func add(_ tensor: TensorPair, to table: inout HTMLTable, isWhole: Bool = false) {
        var cells: [Markup] = [
            "\(.name(tensor.name))\(tensor.isRewritten ? " (changed by the recipe)" : "")",
            "\(tensor.baseEncoding ?? Words.none)", "\(tensor.otherEncoding ?? Words.none)",
            "\(Words.percent(tensor.error))", "\(Words.percent(tensor.expected))",
            "\(Words.percent(tensor.roleMedian))",
            "\(Words.fixed(tensor.cosine, 6))", "\(place(tensor.worstRow))", "\(place(tensor.worstGroup))",
        ]
        if isWhole {
            cells += [
                "\(tensor.shape.map { "\($0)" }.joined(separator: " × "))",
                "\(Words.bytes(tensor.baseBytes)) → \(Words.bytes(tensor.otherBytes))",
            ]
        }
        table.add(cells)
    }

    private static func place(_ place: TensorPair.Place?) -> String {
        guard let place else { return "" }
        let group = place.group.map { ", group \($0)" } ?? ""
        return "row \(place.row)\(group): \(Words.percent(place.error))"
    }
}
