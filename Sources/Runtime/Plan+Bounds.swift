import GraphIR
import Storage

extension Plan {
    /// What numbers that a caller feeds must be, lest they lead outside.
    enum Bound {
        /// Below so many.
        case ids(Int)
        /// Numbers of so many rows.
        case rows(Dimension)
        /// From 0 on, ascending, up to so many rows.
        case boundaries(Dimension)
        /// Not negative.
        case places
    }

    /// What the steps ask of the inputs, each by its number.
    /// - Throws: `badInput` when a step would follow numbers that no caller fed.
    func findBounds(_ weights: Weights) throws(Failure) -> [(input: Int, bound: Bound)] {
        var bounds: [(input: Int, bound: Bound)] = []
        for (buffer, bound) in steps.flatMap({ $0.bounds(weights) }) {
            guard case .input(let number) = buffers[buffer].kind else {
                throw .badInput("follows numbers that were computed")
            }
            bounds.append((number, bound))
        }
        return bounds
    }

    /// Checks what a caller feeds: that there is as much as `extents` say, and that no number leads outside.
    func check(_ inputs: [PlanInput], _ extents: Extents) throws(Failure) {
        guard extents.areCountable else { throw Failure(.limit, "\(extents) are too many at once") }
        guard inputs.count >= self.inputs.count else {
            throw .badInput("\(inputs.count) inputs are fed, not \(self.inputs.count)")
        }
        for (value, input) in zip(self.inputs, inputs) {
            guard input.isFit(for: value.type.element), input.count >= extents.count(value.type) else {
                throw .badInput("has \(input.count) elements for \(value.type)", at: "value '\(value.name)'")
            }
        }
        for (number, bound) in bounds {
            guard case .indices(let numbers) = inputs[number], bound.admits(numbers, extents) else {
                throw .badInput("leads outside what it counts", at: "value '\(self.inputs[number].name)'")
            }
        }
    }
}

extension Plan.Bound {
    fileprivate func admits(_ numbers: [Int32], _ extents: Extents) -> Bool {
        switch self {
        case .ids(let limit): return numbers.allSatisfy { $0 >= 0 && Int($0) < limit }
        case .rows(let rows):
            let limit = extents(rows)
            return numbers.allSatisfy { $0 >= 0 && Int($0) < limit }
        case .boundaries(let rows):
            return numbers.count == extents.segments && numbers.first == 0
                && numbers.last.map { Int($0) } == extents(rows)
                && zip(numbers, numbers.dropFirst()).allSatisfy { $0 <= $1 }
        case .places: return numbers.allSatisfy { $0 >= 0 }
        }
    }
}

extension PlanInput {
    fileprivate func isFit(for element: ValueType.Element) -> Bool {
        switch self {
        case .floats: element == .float
        case .indices: element == .index
        }
    }
}
