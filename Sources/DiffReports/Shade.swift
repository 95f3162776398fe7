import Glibc
import Storage

/// Nine shades for a measure, from nothing to most; the style sheet has their colours.
struct Shade {
    /// Where the second to the last shade begin, rising.
    private let thresholds: [Double]

    /// For KL of single tokens: half decades from 0.001 to 3 nats, the same in every report.
    static let tokens = Shade(thresholds: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3])

    private init(thresholds: [Double]) { self.thresholds = thresholds }

    /// Half decades (1, 3, 10 …), the last of which is reached by the largest value.
    init(halfDecadesTo values: some Sequence<Double>) {
        let largest = values.filter(\.isFinite).max() ?? 0
        guard largest > 0 else {
            self = .tokens
            return
        }
        let decade = Int(log10(largest).rounded(.down))
        // Numbers of half decades: even ones are powers of ten, odd ones three times that.
        let top = 2 * decade + (largest >= 3 * pow(10, Double(decade)) ? 1 : 0)
        thresholds = (top - 7...top).map { half in
            let decade = Int((Double(half) / 2).rounded(.down))
            return pow(10, Double(decade)) * (half.isMultiple(of: 2) ? 1 : 3)
        }
    }

    /// Equal steps up to the largest value.
    init(evenlyTo values: some Sequence<Double>) {
        let largest = values.filter(\.isFinite).max() ?? 0
        let step = (largest > 0 ? largest : 1) / 9
        thresholds = (1...8).map { Double($0) * step }
    }

    /// The number of a value's shade; what is not finite has the last.
    func step(_ value: Double) -> Int {
        value.isFinite ? thresholds.count { value >= $0 } : thresholds.count
    }

    /// What each shade stands for.
    func legend(_ what: String, _ text: (Double?) -> String = Words.figure) -> Markup {
        let steps = (0...thresholds.count).map { step -> Markup in
            let words = step == 0 ? "< \(text(thresholds[0]))" : text(thresholds[step - 1])
            return "<li class=\"k\(step)\">\(words)</li>"
        }
        return "<div class=\"scale\"><span>\(what), each shade from</span><ol>\(steps)</ol></div>"
    }
}
