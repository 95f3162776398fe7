import GraphIR
import Storage

extension ResidualStream {
    /// The weights of embeddings and linears that turning it changes.
    var weights: [String] { writers.map(\.weight) + readers.flatMap(\.linears) }

    /// Whether its width is divided by 2 at all: else a turn would change signs and no more.
    var isTurnable: Bool { width % 2 == 0 }

    /// The changes of weights that turn it, by their names.
    /// - Parameter source: has the weights of norms, which go into the columns of what reads them.
    func rewrites(_ source: some WeightSource) throws(Failure) -> [String: Rewrite] {
        var found: [String: Rewrite] = [:]
        func add(_ name: String, rows: [Rewrite.Change] = [], columns: [Rewrite.Change] = []) {
            found = found.then([name: Rewrite(.turnResidual, rows: rows, columns: columns)])
        }
        for writer in writers {
            switch writer.part {
            case .columns(let range): add(writer.weight, columns: [.turn(Turn(range: range, size: width))])
            case .rows(let range):
                let turn = Rewrite.Change.turn(Turn(range: range, size: width))
                add(writer.weight, rows: [turn])
                if let bias = writer.bias { add(bias, rows: [turn]) }
            }
        }
        for reader in readers {
            let factors = try source.vector(reader.norm)
            add(reader.norm, rows: [.unit])
            for linear in reader.linears {
                // Several of the norm's rows may lie side by side.
                let columns = source.weights[try source.index(linear)].columnCount
                let scales = (0..<columns).map { factors[$0 % factors.count] }
                add(linear, columns: [.scale(scales), .turn(Turn(range: 0..<columns, size: width))])
            }
        }
        return found
    }
}

extension WeightSource {
    /// The place of a weight among all.
    fileprivate func index(_ name: String) throws(Failure) -> Int {
        guard let index = weights.firstIndex(where: { $0.name == name }) else {
            throw .badInput("is missing", at: "weight '\(name)'")
        }
        return index
    }

    /// The elements of a weight of rank 1.
    fileprivate func vector(_ name: String) throws(Failure) -> [Float] {
        let index = try index(name)
        var values: [Float] = []
        try withRows(0..<1, of: index) { (bytes) throws(Failure) in
            values = bytes.floats(weights[index].type)
        }
        return values
    }
}
