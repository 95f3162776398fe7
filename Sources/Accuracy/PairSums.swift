/// Sums over pairs of values, `a` of the base and `b` of the other: what errors, cosines and slopes are made of.
struct PairSums {
    /// Pairs.
    var count = 0
    /// Σ (b − a)².
    var difference = 0.0
    /// Σ a².
    var base = 0.0
    /// Σ b².
    var other = 0.0
    /// Σ ab.
    var product = 0.0
    /// Σ a.
    var baseTotal = 0.0
    /// Σ b.
    var otherTotal = 0.0

    /// ‖b − a‖ / ‖a‖; 0 where neither is anything, infinite where only the base is nothing or a value is not finite.
    var relativeError: Double { PairSums.relative(difference, to: base) }

    /// Σ ab / (‖a‖ ‖b‖); 1 where both are nothing, 0 where one is.
    var cosine: Double {
        if base == 0, other == 0 { return 1 }
        return base > 0 && other > 0 ? product / (base * other).squareRoot() : 0
    }

    /// √(difference / energy), and what to say where there is no energy.
    static func relative(_ difference: Double, to energy: Double) -> Double {
        guard difference.isFinite, energy.isFinite else { return .infinity }
        if difference == 0 { return 0 }
        return energy > 0 ? (difference / energy).squareRoot() : .infinity
    }

    static func += (left: inout PairSums, right: PairSums) {
        left.count += right.count
        left.difference += right.difference
        left.base += right.base
        left.other += right.other
        left.product += right.product
        left.baseTotal += right.baseTotal
        left.otherTotal += right.otherTotal
    }
}

extension PairSums {
    private typealias Lanes = SIMD8<Float>

    /// The sums over a short run of pairs, at most a few hundred: in float32, or in float64 where that would overflow.
    init(_ a: UnsafeBufferPointer<Float>, _ b: UnsafeBufferPointer<Float>) {
        var (difference, base, other, product) = (Lanes(), Lanes(), Lanes(), Lanes())
        var (baseTotal, otherTotal) = (Lanes(), Lanes())
        let (first, second) = (UnsafeRawBufferPointer(a), UnsafeRawBufferPointer(b))
        let width = MemoryLayout<Lanes>.size
        let whole = a.count / Lanes.scalarCount * width
        for offset in stride(from: 0, to: whole, by: width) {
            let x = first.loadUnaligned(fromByteOffset: offset, as: Lanes.self)
            let y = second.loadUnaligned(fromByteOffset: offset, as: Lanes.self)
            let delta = y - x
            difference += delta * delta
            base += x * x
            other += y * y
            product += x * y
            baseTotal += x
            otherTotal += y
        }
        self.init(
            count: a.count / Lanes.scalarCount * Lanes.scalarCount, difference: Double(difference.sum()),
            base: Double(base.sum()), other: Double(other.sum()), product: Double(product.sum()),
            baseTotal: Double(baseTotal.sum()), otherTotal: Double(otherTotal.sum()))
        addOneByOne(a, b, from: count)
        guard !(difference + base + other).sum().isFinite else { return }
        self = PairSums()
        addOneByOne(a, b, from: 0)
    }

    private mutating func addOneByOne(
        _ a: UnsafeBufferPointer<Float>, _ b: UnsafeBufferPointer<Float>, from start: Int
    ) {
        for index in start..<a.count {
            let (x, y) = (Double(a[index]), Double(b[index]))
            self += PairSums(
                count: 1, difference: (y - x) * (y - x), base: x * x, other: y * y, product: x * y,
                baseTotal: x,
                otherTotal: y)
        }
    }
}

extension PairSums {
    /// How much one more of `a` is of `b`, by least squares with an offset, and in how many standard errors that is away from 1.
    ///
    /// Rounding to codes leaves a slope of 1 within a few standard errors: its errors have no part along the values.
    var slope: (factor: Double, deviations: Double)? {
        guard count >= 8 else { return nil }
        let n = Double(count)
        let variance = base - baseTotal * baseTotal / n
        let covariance = product - baseTotal * otherTotal / n
        let otherVariance = other - otherTotal * otherTotal / n
        guard variance > 1e-4 * base, variance.isFinite, otherVariance.isFinite else { return nil }
        // What is nine tenths something else is no multiple.
        guard covariance * covariance > 0.9 * variance * otherVariance else { return nil }
        let factor = covariance / variance
        // Sums in float32 say nothing of a residual below this.
        let residual = max(otherVariance - factor * covariance, 1e-6 * otherVariance)
        let standardError = (residual / (n - 2) / variance).squareRoot()
        return (factor, standardError > 0 ? abs(factor - 1) / standardError : 0)
    }
}
