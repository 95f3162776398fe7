import GraphIR
import Storage

extension Plan {
    /// Proves, whatever the extents, that each step stays within its buffers while they are alive, writes to none that a caller
    /// gave, and reads nothing that it writes but in place. A second fence behind the graph's types: it sees where values lie.
    ///
    /// What remains are the numbers that a caller feeds (`bounds`, checked at each run) and where `ArenaLayout` puts buffers.
    func check() throws(Failure) {
        for (index, step) in steps.enumerated() {
            let accesses = step.accesses(in: self)
            for (place, access) in accesses.enumerated() {
                guard holds(access), buffers[access.buffer].live.contains(index) else {
                    throw .badInput("step \(index) of its plan leaves buffer \(access.buffer)")
                }
                let clashes = accesses.enumerated().contains {
                    $0.offset != place && $0.element.isWritten && $0.element.buffer == access.buffer
                        && !Plan.areApartOrSame(access.part, $0.element.part)
                }
                guard !clashes else {
                    throw .badInput("step \(index) of its plan overwrites buffer \(access.buffer)")
                }
            }
            guard step.cached.allSatisfy({ $0.rows == .symbol(.tokens) }) else {
                throw .badInput("step \(index) of its plan keeps what are no tokens' rows")
            }
        }
    }

    /// Whether a buffer holds what a step takes of it.
    private func holds(_ access: Access) -> Bool {
        let buffer = buffers[access.buffer]
        switch (access.part, buffer.kind) {
        case (.rows(let operand), .floats(let width)):
            return buffer.copies == 1 && operand.fits(width: width, rows: buffer.rows)
        case (.rows(let operand), .input(let number)):
            guard !access.isWritten, let width = inputs[number].type.columns else { return false }
            return operand.fits(width: width, rows: buffer.rows)
        case (.numbers(let each, let rows), .input(let number)):
            let type = inputs[number].type
            let whole = each == 1 ? [rows] : [.fixed(each), rows]
            return !access.isWritten && type.element == .index
                && (type.extents == whole || type.extents == [.fixed(each), rows])
        case (.numbers(let each, let rows), .floats(let width)): return each <= width && rows == buffer.rows
        case (.whole, .input): return false
        case (.whole, _): return true
        default: return false
        }
    }

    private static func areApartOrSame(_ a: Access.Part, _ b: Access.Part) -> Bool {
        guard case .rows(let a) = a, case .rows(let b) = b, a.pitch == b.pitch else { return false }
        let areSame = (a.column, a.columns) == (b.column, b.columns)
        return areSame || a.column >= b.column + b.columns || b.column >= a.column + a.columns
    }
}

extension Plan.Operand {
    /// Whether rows of `width` floats have room for these.
    fileprivate func fits(width: Int, rows held: Dimension) -> Bool {
        guard column >= 0, columns > 0, column + columns <= pitch else { return false }
        switch (rows, held) {
        case (.symbol(let own, let divisor), .symbol(let other, let otherDivisor)):
            // ⌊n/ab⌋ rows of b·w floats are within ⌊n/a⌋ rows of w.
            return own == other && divisor % otherDivisor == 0 && pitch == width * (divisor / otherDivisor)
        case (.fixed(let count), .fixed(let others)):
            let (taken, isTooMuch) = count.multipliedReportingOverflow(by: pitch)
            let (room, isVast) = others.multipliedReportingOverflow(by: width)
            return !isTooMuch && !isVast && taken <= room
        default: return false
        }
    }
}
