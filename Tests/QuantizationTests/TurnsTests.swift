import Glibc
import Storage
import Synchronization
import TestSupport
import Testing
import Threads

/// Work that is done side by side, and in order where it matters.
@Suite struct TurnsTests {
    @Test(arguments: [1, 2, 5]) func turnsAreTakenInOrder(threads: Int) throws {
        var taken: [Int] = []
        let begun = Atomic<Int>(0)
        try ThreadPool(threads: threads).runInOrder(100) { (number, worker, turn) throws(Failure) in
            begun.wrappingAdd(1, ordering: .relaxed)
            #expect(worker < threads)
            // Some are slower than those behind them.
            if number % 7 == 0 { usleep(300) }
            // A turn need not be taken.
            if number % 10 != 3 { try turn.take { taken.append(number) } }
        }
        #expect(taken == (0..<100).filter { $0 % 10 != 3 })
        #expect(begun.load(ordering: .relaxed) == 100)
    }

    /// Several bodies fail, the last of them at once: the first in order is what the run throws, and those behind it have no turn.
    @Test(arguments: [1, 2, 5], [false, true]) func theFirstFailureEndsTheRun(threads: Int, inTurn: Bool)
        throws
    {
        var taken: [Int] = []
        let pool = try ThreadPool(threads: threads)
        let failure = #expect(throws: Failure.self) {
            try pool.runInOrder(60) { (number, _, turn) throws(Failure) in
                if number == 20 { usleep(3000) }
                if number >= 20, !inTurn { throw .badInput("\(number)") }
                try turn.take { () throws(Failure) in
                    if number >= 20 { throw .badInput("\(number)") }
                    taken.append(number)
                }
            }
        }
        #expect(failure?.message == "20")
        #expect(taken == Array(0..<20))
        // The pool is as it was.
        try pool.runInOrder(3) { (number, _, turn) throws(Failure) in
            try turn.take { taken.append(number) }
        }
        #expect(taken.suffix(3) == [0, 1, 2])
    }
}
