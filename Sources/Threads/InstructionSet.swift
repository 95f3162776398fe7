import CKernels
public import Storage

/// An instruction set that the kernels are written for.
public struct InstructionSet: Equatable, Sendable {
    /// As `TESSERA_ISA` spells it.
    public let name: String
    /// Whether this processor has it.
    public let isAvailable: Bool

    /// Every set that there are kernels for, of any processor.
    public static var all: [InstructionSet] {
        (0..<UInt32(TSR_ISA_COUNT)).map { number in
            let set = tsr_isa(rawValue: number)
            return InstructionSet(
                name: String(cString: tsr_isa_name(set)), isAvailable: tsr_isa_available(set) != 0)
        }
    }

    /// Makes sure that the kernels run as the environment asks.
    /// - Throws: `usage` when `TESSERA_ISA` is set to anything but a set that this processor has.
    public static func check() throws(Failure) {
        guard let refused = tsr_isa_refused() else { return }
        let name = String(cString: refused)
        let isKnown = all.contains { $0.name == name }
        func names(_ areAvailable: Bool) -> String {
            all.filter { $0.isAvailable == areAvailable }.map(\.name).joined(separator: ", ")
        }
        throw Failure(
            .usage,
            "TESSERA_ISA is '\(name)', \(isKnown ? "which this processor lacks" : "which is no instruction set")",
            remedy: "this processor has \(names(true)), others \(names(false)); leave it unset for the best")
    }
}
