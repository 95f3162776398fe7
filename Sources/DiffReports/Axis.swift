import Glibc
import Storage

/// A vertical axis: a range of values on a range of pixels.
struct Axis {
    /// Values at which lines are drawn.
    let ticks: [Double]
    private let lower, upper: Double
    private let top, bottom: Double

    /// Room for all finite values, and for zero if it is wanted.
    init(_ values: some Sequence<Double>, fromZero: Bool, top: Double, bottom: Double) {
        let finite = values.filter { $0.isFinite && abs($0) < 1e100 } + (fromZero ? [0] : [])
        var (least, most) = (finite.min() ?? 0, finite.max() ?? 1)
        if most - least <= max(1e-12 * max(abs(most), abs(least)), 1e-100) {
            most = least + max(abs(least), 1e-12)
        }
        let step = Axis.step(most - least)
        least = (least / step).rounded(.down) * step
        let count = min(12, Int(((most - least) / step).rounded(.up)))
        ticks = (0...max(1, count)).map { least + Double($0) * step }
        (lower, upper) = (least, ticks.last ?? most)
        (self.top, self.bottom) = (top, bottom)
    }

    /// About five steps of 1, 2 or 5 times a power of ten.
    private static func step(_ range: Double) -> Double {
        let unit = pow(10, log10(range / 5).rounded(.down))
        return [1, 2, 5, 10].map { $0 * unit }.first { range / $0 <= 5 } ?? 10 * unit
    }

    /// The pixel of a value, kept within the axis.
    func pixel(_ value: Double) -> Double {
        let share = (value - lower) / (upper - lower)
        return bottom - min(max(share.isNaN ? 0 : share, 0), 1) * (bottom - top)
    }

    /// A tick's number, with as many decimals as the steps need.
    func label(_ tick: Double) -> String {
        let step = ticks.count > 1 ? ticks[1] - ticks[0] : 1
        let decimals = min(12, max(0, Int((-log10(step) + 1e-9).rounded(.up))))
        return abs(tick) < 1e15 && step >= 1e-6 ? fixed(tick, decimals) : Words.figure(tick)
    }
}
