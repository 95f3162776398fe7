import GraphIR
import Storage

extension Operation.Windows: LoweredOperation {
    func lower(_ node: Graph.Node, at index: Int, in compiler: inout PlanCompiler) throws(Failure)
        -> Plan.Operand
    {
        let rows = compiler.graph[node.result].type.extents[1]
        let into = compiler.addBuffer(.floats(width: 2), rows: rows)
        compiler.emit(
            FindWindows(
                coordinates: try compiler.buffer(node.operands[0]),
                segments: try compiler.buffer(node.operands[1]), side: side, rows: rows, into: into))
        return Plan.Operand(buffer: into, column: 0, columns: 0, pitch: 0, rows: rows)
    }
}

/// The rows window by window, frame by frame, and for each row in that order where its window starts.
struct FindWindows: Step {
    /// Buffers.
    let coordinates, segments: Int
    let side: Int
    let rows: Dimension
    /// A buffer.
    let into: Int

    func accesses(in plan: Plan) -> [Plan.Access] {
        [.read(coordinates, 2, rows), .segments(segments), .write(into, 2, rows)]
    }

    func bounds(_ weights: Weights) -> [(buffer: Int, bound: Plan.Bound)] {
        [(coordinates, .places), (segments, .boundaries(rows))]
    }

    func run(in executor: Executor) {
        executor.findWindows(executor.indices(coordinates), executor.indices(segments), side, into)
    }
}

extension Executor {
    /// The extents of the frame that rows `rows` make up.
    func extents(_ coordinates: UnsafePointer<Int32>, _ count: Int, _ rows: Range<Int>) -> (
        h: Int, w: Int
    ) {
        var (h, w) = (0, 0)
        for row in rows {
            h = max(h, Int(coordinates[row]) + 1)
            w = max(w, Int(coordinates[count + row]) + 1)
        }
        return (h, w)
    }

    func frames(_ segments: UnsafePointer<Int32>) -> [Range<Int>] {
        (0..<max(0, extents.segments - 1)).map { Int(segments[$0])..<Int(segments[$0 + 1]) }
    }

    /// The rows window by window, frame by frame, and for each row in that order where its window starts.
    fileprivate func findWindows(
        _ coordinates: UnsafePointer<Int32>, _ segments: UnsafePointer<Int32>, _ side: Int, _ into: Int
    ) {
        let count = extents(plan.buffers[into].rows)
        let order = indices(into)
        let starts = order + count
        for frame in frames(segments) {
            let across = (extents(coordinates, count, frame).w + side - 1) / side
            func window(_ row: Int32) -> Int {
                Int(coordinates[Int(row)]) / side * across + Int(coordinates[count + Int(row)]) / side
            }
            var rows = UnsafeMutableBufferPointer(start: order + frame.lowerBound, count: frame.count)
            for (index, row) in frame.enumerated() { rows[index] = Int32(row) }
            // Rows of a window stay in their order.
            rows.sort { (window($0), $0) < (window($1), $1) }
            var start = frame.lowerBound
            for row in frame {
                if window(order[row]) != window(order[start]) { start = row }
                starts[row] = Int32(start)
            }
        }
    }
}
