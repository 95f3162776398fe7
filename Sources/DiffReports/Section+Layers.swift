import Glibc
import Storage

extension Section {
    /// The most stages of a graph that are drawn.
    private static let mostStages = 2000

    /// Errors along the graphs; nil when no stage was compared.
    static func layers(_ stages: [Stage]) -> Section? {
        guard !stages.isEmpty else { return nil }
        var graphs: [String] = []
        for stage in stages where !graphs.contains(stage.graph) && graphs.count < 8 {
            graphs.append(stage.graph)
        }
        let charts = graphs.enumerated().map { number, graph in
            chart(graph, stages.filter { $0.graph == graph }, id: "layers-\(number)")
        }
        return Section(
            id: "layers", title: "Layers",
            body: """
                <p>Signal to quantization noise in dB: higher is closer, 6 dB is half the error. <em>Accumulated</em>: the \
                other reads its own earlier values. <em>Own</em>: it is given the base's, so that what is left is the \
                cost of these linears alone.</p>
                \(charts)\(table(stages).folded("All stages in numbers", of: stages.count))
                """)
    }

    private static func chart(_ graph: String, _ stages: [Stage], id: String) -> Markup {
        let shown = Array(stages.prefix(mostStages))
        let figure = { (title: String, summary: String, id: String, series: [LineChart.Series]) -> Markup in
            let series = series.filter { series in series.values.contains { $0?.isFinite == true } }
            guard !series.isEmpty else { return "" }
            return LineChart(
                title: title, summary: summary, places: shown.map(\.name), labels: blockLabels(shown),
                series: series, fromZero: false, format: { Words.fixed($0, 1, unit: "\u{a0}dB") }
            ).markup(id: id)
        }
        let summary = [
            lowest("accumulated", shown.map { ($0.name, $0.accumulated?.sqnr) }),
            lowest("own", shown.map { ($0.name, $0.own?.sqnr) }),
        ].compactMap { $0 }.joined(separator: " ")
        let errors = figure(
            "SQNR by stage of the \(graph) graph, dB; below: blocks", summary, "\(id)-errors",
            [
                .init(name: "accumulated", mark: .line, values: finite(shown.map { $0.accumulated?.sqnr })),
                .init(name: "own", mark: .dots, values: finite(shown.map { $0.own?.sqnr })),
                .init(
                    name: "own, median over blocks", mark: .ticks,
                    values: shown.map { $0.ownExpected.flatMap { decibels(ofError: $0) } }),
            ])
        let rows = figure(
            "Rows of pictures and of text in the \(graph) graph, dB; below: blocks",
            lowest("of pictures' rows", shown.map { ($0.name, $0.visual?.sqnr) }) ?? "", "\(id)-rows",
            [
                .init(name: "rows of text", mark: .line, values: finite(shown.map { $0.text?.sqnr })),
                .init(name: "rows of pictures", mark: .dashes, values: finite(shown.map { $0.visual?.sqnr })),
            ])
        let left: Markup =
            stages.count > shown.count
            ? "<p class=\"note\">Drawn are the first \(mostStages) stages.</p>" : ""
        return "<h3>The \(graph) graph</h3>\n\(errors)\(rows)\(left)"
    }

    private static func lowest(_ kind: String, _ values: [(name: String, sqnr: Double?)]) -> String? {
        values.compactMap { value in value.sqnr.map { (value.name, $0) } }.min { $0.1 < $1.1 }
            .map { "The lowest \(kind): \(Words.decibels($0.1))\u{a0}dB at \($0.0)." }
    }

    /// Exact stages have no place on an axis of dB.
    private static func finite(_ values: [Double?]) -> [Double?] {
        values.map { $0?.isFinite == true ? $0 : nil }
    }

    private static func decibels(ofError error: Double) -> Double? {
        error > 0 && error.isFinite ? -20 * log10(error) : nil
    }

    /// Some eight numbers of blocks, each below the first stage of its block.
    private static func blockLabels(_ stages: [Stage]) -> [(place: Int, text: String)] {
        var starts: [(place: Int, text: String)] = []
        var last: Int?
        for (place, stage) in stages.enumerated() {
            if let block = stage.block, block != last { starts.append((place, "\(block)")) }
            last = stage.block ?? last
        }
        let every = max(1, (starts.count + 7) / 8)
        return starts.enumerated().filter { $0.offset.isMultiple(of: every) }.map(\.element)
    }

    private static func table(_ stages: [Stage]) -> HTMLTable {
        var table = HTMLTable(
            "Stages in the order of execution", .text("stage"), .number("accumulated dB"), .number("own dB"),
            .number("text rows dB"), .number("visual rows dB"), .number("relative L2"),
            .number("largest / largest"), .number("cosine"), .number("not finite"), .text("furthest row"))
        for stage in stages.prefix(2 * mostStages) {
            let error = stage.accumulated ?? stage.own
            let worst = stage.worstRow.map { row in
                [row.sample, row.row.map { "row \($0)" }, row.relativeL2.map { Words.figure($0) }]
                    .compactMap { $0 }.joined(separator: ", ")
            }
            table.add(
                .name(stage.name), "\(Words.decibels(stage.accumulated?.sqnr))",
                "\(Words.decibels(stage.own?.sqnr))",
                "\(Words.decibels(stage.text?.sqnr))", "\(Words.decibels(stage.visual?.sqnr))",
                "\(Words.figure(error?.relativeL2))", "\(Words.figure(error?.relativeMaximum))",
                "\(Words.fixed(error?.cosine, 6))", "\(Words.count(error?.nonFinite))", "\(worst ?? "")")
        }
        return table
    }
}
