import Glibc
import Storage

/// How often values occur on both sides, as two outlines over one axis; counts are on a scale of logarithms.
struct HistogramChart {
    let title: String
    let histogram: TensorHistogram

    private static let height = 100.0

    /// The figure; `id` is unique in the page.
    func markup(id: String) -> Markup {
        let most = max(1, (histogram.base + histogram.other).max() ?? 1)
        let count = histogram.base.count
        let summary =
            "Values from \(Words.figure(histogram.from)) to \(Words.figure(histogram.to)) in \(count) bins; "
            + "up to \(Words.count(most)) values in a bin, on a logarithmic scale."
        return """
            <figure class="chart histogram">
            <figcaption>\(title)</figcaption>
            <svg class="plot" height="126" role="img" aria-labelledby="\(id)-t \(id)-d">
            <title id="\(id)-t">\(title)</title><desc id="\(id)-d">\(summary)</desc>
            <svg viewBox="0 0 \(count) \(HistogramChart.height)" width="100%" height="\(HistogramChart.height)" \
            preserveAspectRatio="none"><path class="area s0" d="\(outline(histogram.base, most, closed: true))"/>\
            <path class="dashes s1" d="\(outline(histogram.other, most, closed: false))"/></svg>
            <line class="grid" x1="0" x2="100%" y1="\(HistogramChart.height)" y2="\(HistogramChart.height)"/>
            <text class="first" x="0" y="118">\(Words.figure(histogram.from))</text>
            <text class="last" x="100%" y="118">\(Words.figure(histogram.to))</text>
            </svg>
            </figure>

            """
    }

    private func outline(_ counts: [Int], _ most: Int, closed: Bool) -> String {
        var path = "M0 \(fixed(HistogramChart.height, 0))"
        for (bin, count) in counts.enumerated() {
            let share = log(1 + Double(count)) / log(1 + Double(most))
            path += "V\(fixed(HistogramChart.height * (1 - share * 0.98), 1))H\(bin + 1)"
        }
        return path + "V\(fixed(HistogramChart.height, 0))" + (closed ? "Z" : "")
    }
}
