import Storage

/// Series over places from left to right, as SVG that keeps the size of its letters whatever its width.
///
/// Places are in percent of the width, so that the axes and marks need no script to fit; only lines are in a coordinate
/// system that stretches.
struct LineChart {
    /// Values of one kind, one for each place; nil where there is none.
    struct Series {
        let name: String
        let mark: Mark
        let values: [Double?]
        /// What half of a bar around the value stands for.
        var errors: [Double?] = []
    }

    /// How a series is drawn. Colour is never the only difference.
    enum Mark: String {
        case line, dashes, dots, ticks
    }

    let title: String
    let summary: String
    /// What each place is, for who points at it.
    let places: [String]
    /// Labels below places.
    let labels: [(place: Int, text: String)]
    let series: [Series]
    let fromZero: Bool
    let format: (Double) -> String

    private static let height = 220.0
    private static let bottom = 192.0

    /// The figure; `id` is unique in the page.
    func markup(id: String) -> Markup {
        let values = series.flatMap { series in
            series.values.indices.flatMap { index -> [Double] in
                guard let value = series.values[index] else { return [] }
                let error = series.errors.indices.contains(index) ? series.errors[index] ?? 0 : 0
                return [value - error, value + error]
            }
        }
        let axis = Axis(values, fromZero: fromZero, top: 10, bottom: LineChart.bottom)
        return """
            <figure class="chart">
            <figcaption>\(title)</figcaption>
            \(legend)
            <div class="axes probe" tabindex="0" role="group" aria-label="\(title): arrow keys walk along">
            \(ticks(axis))
            <svg class="plot" height="\(LineChart.height)" role="img" aria-labelledby="\(id)-t \(id)-d">
            <title id="\(id)-t">\(title)</title><desc id="\(id)-d">\(summary)</desc>
            \(grid(axis))\(series.enumerated().map { line($1, number: $0, axis) })\(marks(axis))
            </svg>
            </div>
            <output aria-live="polite">\(summary)</output>
            </figure>

            """
    }

    /// In percent of the width: the first and the last place keep off the edges.
    private func x(_ place: Int) -> Double {
        places.count > 1 ? 1.5 + 97 * Double(place) / Double(places.count - 1) : 50
    }

    private var legend: Markup {
        guard series.count > 1 else { return "" }
        let entries = series.enumerated().map { number, series -> Markup in
            let y = 6.0
            let sample: Markup =
                switch series.mark {
                case .line, .dashes:
                    "<path class=\"\(series.mark.rawValue) s\(number)\" d=\"M0 \(y)H24\"/>"
                case .dots, .ticks: mark(series.mark, number, x: 12, unit: "", y: y, label: nil)
                }
            return
                "<li><svg width=\"24\" height=\"12\" aria-hidden=\"true\">\(sample)</svg>\(series.name)</li>"
        }
        return "<ul class=\"legend\">\(entries)</ul>"
    }

    private func ticks(_ axis: Axis) -> Markup {
        let labels = axis.ticks.map { tick -> Markup in
            "<text x=\"44\" y=\"\(axis.pixel(tick) + 4)\">\(axis.label(tick))</text>"
        }
        return
            "<svg class=\"ticks\" width=\"50\" height=\"\(LineChart.height)\" aria-hidden=\"true\">\(labels)</svg>"
    }

    private func grid(_ axis: Axis) -> Markup {
        let lines = axis.ticks.map { tick -> Markup in
            let y = axis.pixel(tick)
            return "<line class=\"grid\" x1=\"0\" x2=\"100%\" y1=\"\(y)\" y2=\"\(y)\"/>"
        }
        let below = labels.map { label -> Markup in
            let x = x(label.place)
            return """
                <line class="grid" x1="\(x)%" x2="\(x)%" y1="\(LineChart.bottom)" y2="\(LineChart.bottom + 5)"/>\
                <text class="below" x="\(x)%" y="\(LineChart.bottom + 19)">\(label.text)</text>
                """
        }
        return "\(lines)\(below)"
    }

    /// A series as lines between neighbours that have a value.
    private func line(_ series: Series, number: Int, _ axis: Axis) -> Markup {
        guard series.mark == .line || series.mark == .dashes else { return "" }
        var path = ""
        for (place, value) in series.values.enumerated() {
            guard let value, value.isFinite else { continue }
            path += "\(path.isEmpty ? "M" : "L")\(fixed(10 * x(place), 1)) \(fixed(axis.pixel(value), 1))"
        }
        return """
            <svg viewBox="0 0 1000 \(LineChart.height)" width="100%" height="\(LineChart.height)" \
            preserveAspectRatio="none"><path class="\(series.mark.rawValue) s\(number)" d="\(path)"/></svg>
            """
    }

    /// All values, from place to place, so that who walks along meets neighbours together.
    private func marks(_ axis: Axis) -> Markup {
        var all: Markup = ""
        for place in places.indices {
            for (number, series) in series.enumerated() where series.values.indices.contains(place) {
                guard let value = series.values[place] else { continue }
                let error = series.errors.indices.contains(place) ? series.errors[place] : nil
                let words = "\(places[place]): \(series.name) \(format(value))"
                let label = words + (error.map { " ± \(format($0))" } ?? "")
                let y = axis.pixel(value)
                if let error, error.isFinite {
                    all += """
                        <line class="whisker" x1="\(x(place))%" x2="\(x(place))%" \
                        y1="\(axis.pixel(value + error))" y2="\(axis.pixel(value - error))"/>
                        """
                }
                all += mark(series.mark, number, x: x(place), unit: "%", y: y, label: label)
            }
        }
        return all
    }

    private func mark(
        _ mark: Mark, _ number: Int, x: Double, unit: String, y: Double, label: String?
    ) -> Markup {
        let title: Markup = label.map { "<title>\($0)</title>" } ?? ""
        return switch mark {
        case .line, .dots:
            "<circle class=\"\(mark.rawValue)-mark s\(number)\" cx=\"\(x)\(unit)\" cy=\"\(y)\" r=\"3\">\(title)</circle>"
        case .dashes:
            """
            <rect class="line-mark s\(number)" x="\(x)\(unit)" y="\(y)" width="6" height="6" \
            transform="translate(-3 -3)">\(title)</rect>
            """
        case .ticks:
            """
            <rect class="ticks-mark s\(number)" x="\(x)\(unit)" y="\(y)" width="8" height="2" \
            transform="translate(-4 -1)">\(title)</rect>
            """
        }
    }
}
