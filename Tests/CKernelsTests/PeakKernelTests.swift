import CKernels
import Testing

/// What limits are measured with does what it says, on every set that there is.
@Suite struct PeakKernelTests {
    /// As many multiply-adds in each round; of an instruction at least one, and of none more than there are lanes in 512 bits.
    @Test func workGrowsWithRounds() {
        for number in 0..<UInt32(TSR_ISA_COUNT) {
            let isa = tsr_isa(rawValue: number)
            guard tsr_isa_available(isa) != 0 else { continue }
            for peak in [tsr_integer_peak, tsr_float_peak] {
                let one = peak(isa, 1)
                #expect((1...64 * 16).contains(one) && peak(isa, 1000) == 1000 * one && peak(isa, 0) == 0)
            }
            #expect(tsr_integer_peak(isa, 1) >= tsr_float_peak(isa, 1))
        }
    }

    /// Every byte is read: each counts in the sum of the words.
    @Test func everythingIsRead() {
        let count = 4096
        let memory = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 64)
        defer { memory.deallocate() }
        memory.initializeMemory(as: UInt64.self, repeating: 0, count: count / 8)
        #expect(tsr_read_peak(memory, count) == 0)
        for word in 0..<count / 8 {
            memory.storeBytes(of: UInt64(word + 1), toByteOffset: 8 * word, as: UInt64.self)
        }
        #expect(tsr_read_peak(memory, count) == UInt64(count / 8 * (count / 8 + 1) / 2))
    }
}
