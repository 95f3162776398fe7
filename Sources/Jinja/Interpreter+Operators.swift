import Glibc
import Storage

/// Arithmetic as Python does it, within 64 bits.
extension Interpreter {
    /// Whether Python takes a value for true.
    func truth(_ value: Value) -> Bool {
        switch value {
        case .undefined, .none: false
        case .bool(let value): value
        case .int(let value): value != 0
        case .double(let value): value != 0
        case .string(let text): !text.isEmpty
        case .list(let list): !list.elements.isEmpty
        case .dict(let dict): dict.count > 0
        case .method, .function: true
        case .object(let number):
            if case .loop(let state) = objects[number], let length = state.length { length > 0 } else { true }
        }
    }

    func negated(_ value: Value) throws(Failure) -> Value {
        if case .double(let value) = value { return .double(-value) }
        guard case .int(let value) = try signed(value) else { return value }
        let (result, overflow) = (0).subtractingReportingOverflow(value)
        return .int(try checked(result, overflow))
    }

    /// A number as it is; a truth value becomes one.
    func signed(_ value: Value) throws(Failure) -> Value {
        if case .undefined(let reason) = value { throw failure(reason.message) }
        if case .double = value { return value }
        guard let integer = value.integer else { throw failure("bad operand type: '\(typeName(value))'") }
        return .int(integer)
    }

    private func checked(_ result: Int, _ overflow: Bool) throws(Failure) -> Int {
        if overflow { throw failure("an integer gets beyond 64 bits, which is not available") }
        return result
    }

    func calculate(_ operation: Arithmetic, _ left: Value, _ right: Value) throws(Failure) -> Value {
        if let left = left.integer, let right = right.integer { return try calculate(operation, left, right) }
        if let left = left.number, let right = right.number { return try calculate(operation, left, right) }
        switch (operation, left, right) {
        case (.remainder, .string(let format), _): return try string(percentFormat(format, right))
        case (_, .undefined(let reason), _), (_, _, .undefined(let reason)): throw failure(reason.message)
        case (.add, .string(let left), .string(let right)):
            try charge(left.bytes.count + right.bytes.count)
            return .string(left + right)
        case (.add, .list(let left), .list(let right))
        where left.kind == .list && right.kind == .list || left.kind.isTuple && right.kind.isTuple:
            return try list(left.elements + right.elements, left.kind == .list ? .list : .tuple)
        case (.multiply, .string(let text), _):
            if let count = right.integer { return try repeated(text, count) }
        case (.multiply, _, .string(let text)):
            if let count = left.integer { return try repeated(text, count) }
        case (.multiply, .list(let list), _):
            if let count = right.integer { return try repeated(list, count) }
        case (.multiply, _, .list(let list)):
            if let count = left.integer { return try repeated(list, count) }
        default: break
        }
        throw failure(
            "unsupported operand type(s) for \(operation.rawValue): '\(typeName(left))' and '\(typeName(right))'"
        )
    }

    private func repeated(_ text: MarkedText, _ count: Int) throws(Failure) -> Value {
        try charge(text.bytes.count, times: count)
        var result = MarkedText()
        if !text.isEmpty, count > 0 { for _ in 0..<count { result.append(text) } }
        return .string(result)
    }

    private func repeated(_ list: List, _ count: Int) throws(Failure) -> Value {
        guard list.kind == .list || list.kind.isTuple else {
            throw failure("unsupported operand type(s) for *: '\(list.kind.typeName)' and 'int'")
        }
        let (total, overflow) = list.elements.count.multipliedReportingOverflow(by: max(count, 0))
        try charge(elements: overflow ? .max : total)
        let copies = total == 0 ? [] : Array(repeating: list.elements, count: count)
        return try self.list(Array(copies.joined()), list.kind == .list ? .list : .tuple)
    }

    private func calculate(_ operation: Arithmetic, _ left: Int, _ right: Int) throws(Failure) -> Value {
        func exact(_ result: (partialValue: Int, overflow: Bool)) throws(Failure) -> Value {
            .int(try checked(result.partialValue, result.overflow))
        }
        switch operation {
        case .add: return try exact(left.addingReportingOverflow(right))
        case .subtract: return try exact(left.subtractingReportingOverflow(right))
        case .multiply: return try exact(left.multipliedReportingOverflow(by: right))
        case .power: return try power(left, right)
        case .divide:
            guard right != 0 else { throw failure("division by zero") }
            return .double(quotient(left, right))
        case .floorDivide, .remainder:
            guard right != 0 else { throw failure("integer division or modulo by zero") }
            if right == -1 {
                return operation == .remainder ? .int(0) : try exact((0).subtractingReportingOverflow(left))
            }
            let (quotient, remainder) = left.quotientAndRemainder(dividingBy: right)
            let isBelow = remainder != 0 && (remainder < 0) != (right < 0)
            return .int(
                operation == .floorDivide ? quotient - (isBelow ? 1 : 0) : remainder + (isBelow ? right : 0))
        }
    }

    /// The double nearest to a quotient, also of integers that doubles do not hold.
    private func quotient(_ left: Int, _ right: Int) -> Double {
        #if arch(x86_64)
            return Double(Float80(left) / Float80(right))
        #else
            return Double(left) / Double(right)
        #endif
    }

    private func power(_ base: Int, _ exponent: Int) throws(Failure) -> Value {
        if exponent < 0 {
            guard base != 0 else { throw failure("0.0 cannot be raised to a negative power") }
            return .double(pow(Double(base), Double(exponent)))
        }
        var result = 1
        var square = base
        var rest = exponent
        while rest > 0 {
            if rest & 1 == 1 {
                let (product, overflow) = result.multipliedReportingOverflow(by: square)
                result = try checked(product, overflow)
            }
            rest >>= 1
            if rest > 0 {
                let (product, overflow) = square.multipliedReportingOverflow(by: square)
                square = try checked(product, overflow)
            }
        }
        return .int(result)
    }

    private func calculate(_ operation: Arithmetic, _ left: Double, _ right: Double) throws(Failure) -> Value
    {
        switch operation {
        case .add: return .double(left + right)
        case .subtract: return .double(left - right)
        case .multiply: return .double(left * right)
        case .divide:
            guard right != 0 else { throw failure("float division by zero") }
            return .double(left / right)
        case .floorDivide, .remainder:
            guard right != 0 else { throw failure("float floor division or modulo by zero") }
            let (quotient, remainder) = floorDivided(left, right)
            return .double(operation == .floorDivide ? quotient : remainder)
        case .power:
            if left == 0, right < 0 { throw failure("0.0 cannot be raised to a negative power") }
            if left < 0, right.isFinite, right.rounded() != right {
                throw failure("complex numbers are not available")
            }
            let result = pow(left, right)
            if !result.isFinite, left.isFinite, right.isFinite {
                throw failure("Numerical result out of range")
            }
            return .double(result)
        }
    }

    /// Python's `divmod` of floats: the remainder has the sign of the divisor.
    private func floorDivided(_ left: Double, _ right: Double) -> (Double, Double) {
        var remainder = fmod(left, right)
        var quotient = (left - remainder) / right
        if remainder != 0, (remainder < 0) != (right < 0) {
            remainder += right
            quotient -= 1
        }
        if remainder == 0 { remainder = copysign(0, right) }
        if quotient == 0 { return (copysign(0, left / right), remainder) }
        let whole = quotient.rounded(.down)
        return (quotient - whole > 0.5 ? whole + 1 : whole, remainder)
    }
}
