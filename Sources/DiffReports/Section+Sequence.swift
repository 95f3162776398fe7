import Storage

extension Section {
    /// The most bands that are drawn.
    private static let mostBands = 500

    /// KL along the sequence; nil when there is no band.
    static func sequence(_ bands: [Band]) -> Section? {
        let shown = Array(bands.prefix(mostBands))
        guard !shown.isEmpty else { return nil }
        let every = max(1, (shown.count + 6) / 7)
        let worst = shown.worstFirst { $0.mean ?? 0 }.first
        let chart = LineChart(
            title: "Mean KL by position in the sequence, nats; below: the first position of a band",
            summary: worst.map { "The largest mean is \(Words.figure($0.mean)) at positions \(range($0))." }
                ?? "",
            places: shown.map { "positions \(range($0))" },
            labels: shown.enumerated().filter { $0.offset.isMultiple(of: every) }
                .map { ($0.offset, Words.count($0.element.from)) },
            series: [
                .init(
                    name: "mean KL", mark: .line, values: shown.map(\.mean),
                    errors: shown.map(\.standardError))
            ],
            fromZero: true, format: { Words.figure($0) })
        var table = HTMLTable(
            "KL along the sequence, in nats", .text("positions"), .number("compared"), .number("mean"),
            .number("standard error"))
        for band in shown {
            table.add(
                "\(range(band))", "\(Words.count(band.positions))", "\(Words.figure(band.mean))",
                "\(Words.figure(band.standardError))")
        }
        return Section(
            id: "sequence", title: "Sequence",
            body: """
                <p>Bars are one standard error to either side.</p>
                \(chart.markup(id: "sequence-chart"))\(table.folded("All bands in numbers", of: bands.count))
                """)
    }

    /// Both ends are in it.
    private static func range(_ band: Band) -> String {
        let last = band.to > band.from ? band.to - 1 : band.to
        return "\(Words.count(band.from)) to \(Words.count(last))"
    }
}
