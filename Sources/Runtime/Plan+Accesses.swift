import GraphIR

extension Plan {
    /// A part of a buffer that a step reads or writes.
    struct Access {
        enum Part {
            /// Rows of floats.
            case rows(Operand)
            /// So many integers for each of the rows.
            case numbers(Int, Dimension)
            /// Memory that the step alone uses, or that quantized activations are kept in.
            case whole
        }

        let buffer: Int
        let part: Part
        let isWritten: Bool

        static func read(_ operand: Operand) -> Access {
            Access(buffer: operand.buffer, part: .rows(operand), isWritten: false)
        }

        static func write(_ operand: Operand) -> Access {
            Access(buffer: operand.buffer, part: .rows(operand), isWritten: true)
        }

        static func read(_ buffer: Int, _ each: Int, _ rows: Dimension) -> Access {
            Access(buffer: buffer, part: .numbers(each, rows), isWritten: false)
        }

        static func write(_ buffer: Int, _ each: Int, _ rows: Dimension) -> Access {
            Access(buffer: buffer, part: .numbers(each, rows), isWritten: true)
        }

        static func whole(_ buffer: Int, isWritten: Bool) -> Access {
            Access(buffer: buffer, part: .whole, isWritten: isWritten)
        }

        /// The boundaries of segments.
        static func segments(_ buffer: Int) -> Access { read(buffer, 1, .symbol(.segments)) }
    }
}
