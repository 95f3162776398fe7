import Accuracy
import Testing

/// Stages whose values are not finite are infinitely far from any reference, on whichever side the trouble is.
@Suite struct StageErrorTests {
    private static func error(_ own: [Float], _ reference: [Float], columns: Int = 2) -> StageError {
        var accumulator = StageError.Accumulator()
        own.withUnsafeBufferPointer { own in
            reference.withUnsafeBufferPointer { accumulator.add(own, reference: $0, columns: columns) }
        }
        return accumulator.finish("stage")
    }

    @Test(arguments: [Float.nan, .infinity, -.infinity])
    func whatIsNotFiniteIsInfinitelyFar(value: Float) {
        let (sound, bad): ([Float], [Float]) = ([1, 2, 3, 4, 5, 6], [1, 2, 3, value, 5, value])
        for (own, reference, side) in [
            (bad, sound, NonFinite.Side.other), (sound, bad, .base), (bad, bad, .both),
        ] {
            let error = Self.error(own, reference)
            #expect(error.relativeMaximum == .infinity && error.relativeL2 == .infinity)
            #expect(error.signalToNoise == -.infinity && error.cosine.isNaN)
            #expect(error.nonFinite.count == 2 && error.nonFinite.first == 1)
            #expect(error.nonFinite.side == side)
        }
    }

    @Test func rowsAreCountedOverPieces() {
        var accumulator = StageError.Accumulator()
        for piece: [Float] in [[1, 2], [3, 4, 5, 6], [7, .nan]] {
            piece.withUnsafeBufferPointer { accumulator.add($0, reference: $0, columns: 2) }
        }
        #expect(accumulator.finish("stage").nonFinite.first == 3)
    }

    @Test func equalValuesAreExact() {
        let error = Self.error([1, -2, 0, 4], [1, -2, 0, 4])
        #expect(error.relativeMaximum == 0 && error.signalToNoise == .infinity)
        #expect(abs(error.cosine - 1) < 1e-12 && error.nonFinite.count == 0)
    }
}
