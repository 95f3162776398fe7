import Glibc
import Storage
import Testing
import Threads

@testable import Accuracy

/// The figures over many positions: against double precision, by llama.cpp's definitions, whole from parts.
@Suite struct DivergenceFigureTests {
    private static let width = 301
    private static let rows = 120

    /// Repeatable numbers in [-1, 1).
    private static func noise(_ count: Int, seed: UInt64) -> [Float] {
        var state = seed
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(state >> 33) * 0x1p-30 - 1
        }
    }

    /// Rows of two runs whose distance grows by `growth` from the first row to the last.
    private static func runs(growth: Float = 0) -> (base: [Float], other: [Float], targets: [Int32?]) {
        let base = noise(rows * width, seed: 3).map { 5 * $0 }
        let other = zip(base, noise(rows * width, seed: 4)).enumerated().map { index, pair in
            pair.0 + 0.3 * pair.1 * (1 + growth * Float(index / width) / Float(rows)) + 0.2
        }
        // Every seventh is not known.
        let targets = (0..<rows).map { $0 % 7 == 3 ? nil : Int32($0 * 37 % width) }
        return (base, other, targets)
    }

    private static func compare(threads: Int, growth: Float = 0) throws -> Divergence {
        let (base, other, targets) = runs(growth: growth)
        let pool = try ThreadPool(threads: threads)
        var divergence = Divergence()
        try base.withUnsafeBufferPointer { base in
            try other.withUnsafeBufferPointer { other in
                try divergence.add(
                    base: base, other: other, targets: targets, places: Array(50..<50 + rows), pool)
            }
        }
        return divergence
    }

    /// The logarithms of a row's probabilities in double precision.
    private static func logarithms(_ logits: [Float], _ row: Int) -> [Double] {
        let row = logits[row * width..<(row + 1) * width].map(Double.init)
        let highest = row.max() ?? 0
        let sum = log(row.reduce(0) { $0 + exp($1 - highest) })
        return row.map { $0 - highest - sum }
    }

    private static func close(_ a: Double, _ b: Double, _ tolerance: Double = 1e-6) -> Bool {
        abs(a - b) <= tolerance * max(abs(b), 1e-3)
    }

    /// Sums as llama.cpp has them: means of x and x², variance x² − x̄², over n − 1.
    private static func estimate(_ values: [Double]) -> (value: Double, error: Double) {
        let count = Double(values.count)
        let mean = values.reduce(0, +) / count
        let squares = values.reduce(0) { $0 + $1 * $1 } / count
        return (mean, ((squares - mean * mean) / (count - 1)).squareRoot())
    }

    @Test func figuresAreThoseOfDoublePrecision() throws {
        let (base, other, targets) = Self.runs()
        var (forward, reverse, changes) = ([Double](), [Double](), [Double]())
        var losses = (base: [Double](), other: [Double]())
        var same = 0
        for row in 0..<Self.rows {
            let (p, q) = (Self.logarithms(base, row), Self.logarithms(other, row))
            forward.append(zip(p, q).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) })
            reverse.append(zip(p, q).reduce(0) { $0 + exp($1.1) * ($1.1 - $1.0) })
            same += p.firstIndex(of: p.max() ?? 0) == q.firstIndex(of: q.max() ?? 0) ? 1 : 0
            guard let target = targets[row].map(Int.init) else { continue }
            losses.base.append(-p[target])
            losses.other.append(-q[target])
            changes.append(exp(q[target]) - exp(p[target]))
        }
        let summary = try #require(Self.compare(threads: 1).summary)
        for (found, expected) in [(summary.divergence, forward), (summary.reverse, reverse)] {
            let (mean, error) = Self.estimate(expected)
            #expect(Self.close(found.mean.value, mean) && Self.close(found.mean.standardError, error))
            let sorted = expected.sorted()
            #expect(Self.close(found.minimum, sorted[0]) && Self.close(found.maximum, sorted[119]))
            #expect(Self.close(found.median, (sorted[59] + sorted[60]) / 2))
            // 0.95 · 119 = 113.05
            #expect(Self.close(found.quantile(0.95), 0.95 * sorted[113] + 0.05 * sorted[114]))
        }
        let share = Double(same) / Double(Self.rows)
        #expect(summary.sameTop.value == share && share > 0 && share < 1)
        #expect(Self.close(summary.sameTop.standardError, (share * (1 - share) / 119).squareRoot()))
        let change = try #require(summary.probabilityChange)
        let (mean, error) = Self.estimate(changes)
        #expect(Self.close(change.mean.value, mean) && Self.close(change.mean.standardError, error))
        let squares = Self.estimate(changes.map { $0 * $0 })
        let rms = try #require(summary.probabilityChangeRMS)
        #expect(Self.close(rms.value, squares.value.squareRoot()))
        #expect(Self.close(rms.standardError, 0.5 / squares.value.squareRoot() * squares.error))
        try expectPerplexities(try #require(summary.perplexity), losses.base, losses.other)
    }

    private func expectPerplexities(
        _ found: Divergence.Perplexity, _ base: [Double], _ other: [Double]
    ) throws {
        let (p, q) = (Self.estimate(base), Self.estimate(other))
        let count = Double(base.count)
        let product = zip(base, other).reduce(0) { $0 + $1.0 * $1.1 } / count
        let covariance = (product - p.value * q.value) / (count - 1)
        func expect(_ estimate: Estimate, _ value: Double, _ error: Double) {
            #expect(Self.close(estimate.value, value) && Self.close(estimate.standardError, error, 1e-5))
        }
        let (basePPL, otherPPL) = (exp(p.value), exp(q.value))
        expect(found.base, basePPL, basePPL * p.error)
        expect(found.other, otherPPL, otherPPL * q.error)
        #expect(Self.close(try #require(found.correlation), covariance / (p.error * q.error)))
        let ratioError = (p.error * p.error + q.error * q.error - 2 * covariance).squareRoot()
        expect(found.logRatio, q.value - p.value, ratioError)
        expect(found.ratio, exp(q.value - p.value), exp(q.value - p.value) * ratioError)
        let (a, b) = (otherPPL * q.error, basePPL * p.error)
        let squares = a * a + b * b - 2 * otherPPL * basePPL * covariance
        expect(found.difference, otherPPL - basePPL, squares.squareRoot())
    }

    /// However many threads, and whether row by row or all at once.
    @Test func bitsDoNotDependOnThreads() throws {
        let whole = try Self.compare(threads: 1)
        #expect(try Self.compare(threads: 3) == whole)
        let (base, other, targets) = Self.runs()
        var single = Divergence()
        base.withUnsafeBufferPointer { base in
            other.withUnsafeBufferPointer { other in
                for row in 0..<Self.rows {
                    let range = row * Self.width..<(row + 1) * Self.width
                    single.add(
                        base: UnsafeBufferPointer(rebasing: base[range]),
                        other: UnsafeBufferPointer(rebasing: other[range]), target: targets[row],
                        place: 50 + row)
                }
            }
        }
        #expect(single == whole)
    }

    @Test func rowsMustBeAsManyOfBoth() throws {
        let pool = try ThreadPool(threads: 1)
        let row = [Float](repeating: 1, count: 6)
        for (base, targets, places) in [(5, 2, 0..<2), (6, 4, 0..<4), (6, 2, 0..<3), (6, 0, 0..<0)] {
            var divergence = Divergence()
            _ = row.prefix(base).withUnsafeBufferPointer { base in
                row.withUnsafeBufferPointer { other in
                    #expect(throws: Failure.self) {
                        try divergence.add(
                            base: base, other: other, targets: Array(repeating: nil, count: targets),
                            places: Array(places), pool)
                    }
                }
            }
            #expect(divergence.count == 0)
        }
    }

    @Test func partsMakeTheWhole() throws {
        let whole = try Self.compare(threads: 2)
        for cut in [0, 1, 60, 119, 120] {
            var merged = Divergence(whole.positions.prefix(cut))
            merged.merge(Divergence(whole.positions.dropFirst(cut)))
            #expect(merged == whole && merged.summary == whole.summary)
        }
        #expect(Divergence().summary == nil && Divergence().mean == nil)
        #expect(whole.mean == whole.summary?.mean)
    }

    /// An error that grows along the sequence shows in the bands and is called clear; one that does not is not.
    @Test func anErrorThatGrowsShows() throws {
        let even = try #require(Self.compare(threads: 1).summary)
        #expect(try #require(even.growth).isClear == false)
        let summary = try #require(Self.compare(threads: 1, growth: 2).summary)
        let growth = try #require(summary.growth)
        #expect(growth.isClear && growth.late.value > 1.5 * growth.early.value)
        // 120 places by 8 make 15 bands.
        #expect(summary.bands.count == 15 && summary.bands.allSatisfy { $0.positions == 8 })
        #expect(summary.bands[0].places == 50..<58 && summary.bands[14].places == 162..<170)
        #expect(summary.bands[14].mean.value > 2 * summary.bands[0].mean.value)
        let positions = try Self.compare(threads: 1).positions
        #expect(Divergence(positions.prefix(1)).summary?.growth == nil)
        #expect(Divergence(positions.prefix(1)).summary?.bands.count == 1)
    }

    @Test func whatIsWrittenIsReadToTheBit() throws {
        var divergence = try Self.compare(threads: 1)
        let bad: [([Float], [Float])] = [
            ([.nan, 1], [0, 1]), ([0, 1], [0, .infinity]), ([.nan, 1], [.nan, 1]),
            ([0, -.infinity], [0, 1]), ([], []),
        ]
        for (base, other) in bad {
            base.withUnsafeBufferPointer { base in
                other.withUnsafeBufferPointer { divergence.add(base: base, other: $0, target: 1) }
            }
        }
        let bytes = divergence.bytes
        #expect(bytes.count == 16 + 125 * 48)
        let read = try Divergence(bytes: bytes)
        #expect(read == divergence && read.bytes == bytes && read.summary == divergence.summary)
        #expect(read.summary?.nonFinite.count == 5)
        #expect(try Divergence(bytes: Divergence().bytes) == Divergence())
    }

    /// What no comparison has written is refused; nothing traps, whatever single byte is changed.
    @Test func hostileBytesAreRefused() throws {
        let bytes = Divergence(try Self.compare(threads: 1).positions.prefix(2)).bytes
        for length in 0..<bytes.count {
            #expect(throws: Failure.self) { try Divergence(bytes: bytes.prefix(length)) }
        }
        #expect(throws: Failure.self) { try Divergence(bytes: bytes + [0]) }
        var huge = bytes
        huge.replaceSubrange(8..<16, with: Array(repeating: 255, count: 8))
        #expect(throws: Failure.self) { try Divergence(bytes: huge) }
        func refuse(_ offset: Int, _ value: some FixedWidthInteger, _ what: String) {
            var changed = bytes
            withUnsafeBytes(of: value.littleEndian) {
                changed.replaceSubrange(offset..<offset + $0.count, with: $0)
            }
            #expect(throws: Failure.self, "\(what)") { try Divergence(bytes: changed) }
        }
        for (field, name) in [(0, "divergence"), (8, "reverse"), (16, "base loss"), (24, "other loss")] {
            for value in [Double.nan, -0.5, -.infinity] {
                refuse(64 + field, value.bitPattern, "\(name) \(value)")
            }
        }
        refuse(64, Double.infinity.bitPattern, "infinite, and finite")
        refuse(64 + 16, (-1.0).bitPattern, "one loss alone")
        refuse(64 + 32, Int32(-2), "top")
        refuse(64 + 32, Int32(-1), "no top, and finite")
        refuse(64 + 40, Int32(-1), "place")
        refuse(64 + 44, Int32(1), "finite, and not")
        refuse(64 + 44, Int32(4), "side")
        for offset in bytes.indices {
            var changed = bytes
            changed[offset] ^= 0x80
            if let read = try? Divergence(bytes: changed) { #expect(read.bytes == changed) }
        }
    }

    @Test func theMostLikelyTokensComeFirst() throws {
        func top(_ logits: [Float], _ count: Int = 5) -> TopTokens? {
            logits.withUnsafeBufferPointer { TopTokens($0, count: count) }
        }
        let logits: [Float] = [0, 2, 1, 2, -.infinity, 3, -1]
        let entries = try #require(top(logits)).entries
        #expect(entries.map(\.token) == [5, 1, 3, 2, 0])
        let sum = logits.reduce(0) { $0 + exp(Double($1)) }
        for entry in entries {
            #expect(Self.close(entry.probability, exp(Double(logits[Int(entry.token)])) / sum, 1e-12))
        }
        #expect(top([1, 2], 5)?.entries.map(\.token) == [1, 0])
        #expect(top(logits, 1)?.entries.map(\.token) == [5])
        for bad: [Float] in [[], [.nan, 1], [1, .nan], [1, .infinity], [-.infinity, -.infinity]] {
            #expect(top(bad) == nil)
        }
    }
}
