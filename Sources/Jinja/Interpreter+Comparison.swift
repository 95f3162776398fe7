import Storage

/// Equality, order and membership, which do not look at marks.
extension Interpreter {
    func holds(_ operation: Comparison, _ left: Value, _ right: Value) throws(Failure) -> Bool {
        switch operation {
        case .equal: try equal(left, right)
        case .unequal: try !equal(left, right)
        case .isIn: try contains(right, left)
        case .isNotIn: try !contains(right, left)
        case .less: try isOrdered(left, right, "<") { $0 < $1 }
        case .lessOrEqual: try isOrdered(left, right, "<=") { $0 <= $1 }
        case .greater: try isOrdered(left, right, ">") { $0 > $1 }
        case .greaterOrEqual: try isOrdered(left, right, ">=") { $0 >= $1 }
        }
    }

    func equal(_ left: Value, _ right: Value) throws(Failure) -> Bool {
        switch (left, right) {
        case (.string(let left), .string(let right)):
            guard left.bytes.count == right.bytes.count else { return false }
            try charge(left.bytes.count / 16)
            return left.bytes == right.bytes
        case (.list(let left), .list(let right)): return try equal(left, right)
        case (.dict(let left), .dict(let right)):
            guard left.count == right.count else { return false }
            for entry in left.entries {
                try charge(elements: 1)
                guard let other = right[try key(entry.key)], try equal(entry.value, other) else {
                    return false
                }
            }
            return true
        case (.method(let left, let name), .method(let right, let other)):
            guard name == other else { return false }
            return try equal(left, right)
        default: return DictKey.equal(left, right)
        }
    }

    private func equal(_ left: List, _ right: List) throws(Failure) -> Bool {
        // Views of dicts and ranges are equal to their own kind only, ranges whatever they were made of.
        guard left.kind.typeName == right.kind.typeName, left.kind != .values,
            left.elements.count == right.elements.count
        else { return false }
        for (left, right) in zip(left.elements, right.elements) {
            try charge(elements: 1)
            if try !equal(left, right) { return false }
        }
        return true
    }

    /// `value in container`.
    func contains(_ container: Value, _ value: Value) throws(Failure) -> Bool {
        switch container {
        case .string(let text):
            if case .undefined(let reason) = value { throw failure(reason.message) }
            guard let part = value.string else {
                throw failure("'in <string>' requires string as left operand, not \(typeName(value))")
            }
            try charge(2 * text.bytes.count)
            return text.firstOffset(of: part) != nil
        case .dict(let dict): return dict[try key(value)] != nil
        case .list(let list):
            for element in list.elements {
                try charge(elements: 1)
                if try equal(element, value) { return true }
            }
            return false
        case .undefined: return false
        case .object(let number):
            guard case .generator(let generator) = objects[number] else { break }
            while let element = try next(generator) { if try equal(element, value) { return true } }
            return false
        default: break
        }
        throw failure("argument of type '\(typeName(container))' is not iterable")
    }

    private func isOrdered(
        _ left: Value, _ right: Value, _ symbol: String, _ holds: (Int, Int) -> Bool
    ) throws(Failure) -> Bool {
        if let left = left.number, let right = right.number, left.isNaN || right.isNaN { return false }
        return holds(try order(left, right, symbol), 0)
    }

    /// Below, at or above nought, as the left value is below, at or above the right one.
    func order(_ left: Value, _ right: Value, _ symbol: String = "<") throws(Failure) -> Int {
        func order<T: Comparable>(_ left: T, _ right: T) -> Int { left < right ? -1 : left == right ? 0 : 1 }
        if let left = left.integer, let right = right.integer { return order(left, right) }
        if let left = left.number, let right = right.number { return order(left, right) }
        switch (left, right) {
        case (.undefined(let reason), _), (_, .undefined(let reason)): throw failure(reason.message)
        case (.string(let left), .string(let right)):
            // The order of UTF-8 is that of code points.
            try charge(min(left.bytes.count, right.bytes.count) / 8)
            if left.bytes == right.bytes { return 0 }
            return left.bytes.lexicographicallyPrecedes(right.bytes) ? -1 : 1
        case (.list(let left), .list(let right))
        where left.kind == .list && right.kind == .list || left.kind.isTuple && right.kind.isTuple:
            for (left, right) in zip(left.elements, right.elements) {
                try charge(elements: 1)
                if try !equal(left, right) { return try self.order(left, right, symbol) }
            }
            return order(left.elements.count, right.elements.count)
        default:
            throw failure(
                "'\(symbol)' not supported between instances of '\(typeName(left))' and '\(typeName(right))'")
        }
    }

    /// Sorts without changing the order of what is equal.
    func sorted<T>(
        _ elements: [T], descending: Bool, by key: (T) throws(Failure) -> Value
    ) throws(Failure) -> [T] {
        var keyed: [(key: Value, element: T)] = []
        for element in elements { keyed.append((try key(element), element)) }
        try charge(elements: keyed.count)
        var width = 1
        while width < keyed.count {
            var merged: [(key: Value, element: T)] = []
            for start in stride(from: 0, to: keyed.count, by: 2 * width) {
                let middle = min(start + width, keyed.count)
                let end = min(start + 2 * width, keyed.count)
                try merge(keyed[start..<middle], keyed[middle..<end], descending, into: &merged)
            }
            keyed = merged
            width *= 2
        }
        return keyed.map(\.element)
    }

    private func merge<T>(
        _ left: ArraySlice<(key: Value, element: T)>, _ right: ArraySlice<(key: Value, element: T)>,
        _ descending: Bool, into merged: inout [(key: Value, element: T)]
    ) throws(Failure) {
        var left = left
        var right = right
        while let first = left.first, let second = right.first {
            try countStep()
            let order = try order(second.key, first.key)
            if descending ? order > 0 : order < 0 {
                merged.append(second)
                right.removeFirst()
            } else {
                merged.append(first)
                left.removeFirst()
            }
        }
        merged += left
        merged += right
    }
}
