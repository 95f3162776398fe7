import CKernels
import CommandSupport
import Storage
import Threads

/// What the machine can do at most with so many threads, measured now: others may be using it, too.
struct MachineLimits {
    /// Multiply-adds of 8-bit integers a second, on registers, by the instruction set in use.
    let integer: Double
    /// Multiply-adds of 32-bit floats a second.
    let float: Double
    /// Bytes read from memory a second.
    let read: Double

    /// Larger than most caches.
    private static let readBytes = 256 << 20
    private static let rounds = 100_000

    /// Measures with all threads of a pool.
    init(_ pool: ThreadPool) {
        let isa = tsr_isa_in_use()
        integer = Self.best(pool, parts: 16 * pool.threads) { _ in tsr_integer_peak(isa, Self.rounds) }
        float = Self.best(pool, parts: 16 * pool.threads) { _ in tsr_float_peak(isa, Self.rounds) }
        read = Self.readRate(pool)
    }

    /// Multiply-adds of 8-bit integers that one thread does a second by the instructions of `isa`, which must be available.
    static func integerPeak(_ isa: tsr_isa) -> Double {
        Double(tsr_integer_peak(isa, rounds)) / shortest { _ = tsr_integer_peak(isa, rounds) }
    }

    private static func readRate(_ pool: ThreadPool) -> Double {
        // Little memory is measured with less.
        let part = 1 << 20
        let parts = max(1, min(readBytes, (Machine.availableMemory ?? readBytes) / 4) / part)
        let memory = UnsafeMutableRawPointer.allocate(byteCount: parts * part, alignment: 64)
        defer { memory.deallocate() }
        // Pages that nobody wrote would all be the same one.
        memory.initializeMemory(as: UInt8.self, repeating: 1, count: parts * part)
        let address = UInt(bitPattern: memory)
        return best(pool, parts: parts) { index in
            _ = tsr_read_peak(UnsafeRawPointer(bitPattern: address + UInt(index * part)), part)
            return UInt64(part)
        }
    }

    /// The highest rate of a pool that shares parts of work, each of which `body` does and says how much it was.
    private static func best(_ pool: ThreadPool, parts: Int, _ body: (Int) -> UInt64) -> Double {
        let amount = Double(body(0)) * Double(parts)
        return amount
            / shortest {
                pool.run(parts, grain: 1) { (part: Range<Int>) in
                    for index in part { _ = body(index) }
                }
            }
    }

    /// Seconds of the fastest of many runs: others use the machine now and then.
    private static func shortest(_ body: () -> Void) -> Double {
        var best = Double.infinity
        let begin = monotonicSeconds()
        repeat {
            let start = monotonicSeconds()
            body()
            // A clock may stand still for a nanosecond.
            best = min(best, max(monotonicSeconds() - start, 1e-9))
        } while monotonicSeconds() - begin < 0.3
        return best
    }

    /// The shortest time that work can take: computing and reading go on side by side.
    func seconds(_ work: Work) -> Double { max(compute(work), work.bytes / read) }

    /// What holds work up first.
    func bound(_ work: Work) -> String { compute(work) > work.bytes / read ? "compute" : "memory" }

    private func compute(_ work: Work) -> Double { work.integer / integer + work.float / float }

    var text: String {
        "\(String(cString: tsr_isa_name(tsr_isa_in_use()))), int8 \(fixed(integer * 1e-9, 1)) and f32 "
            + "\(fixed(float * 1e-9, 1)) GMAC/s, reading \(fixed(read * 1e-9, 1)) GB/s"
    }
}
