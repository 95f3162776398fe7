package import GraphIR
package import Storage

/// What lives between two parts of a graph, for each of its runs, in a file without a name: memory stays that of one run.
package struct CarriedValues {
    private let file: TemporaryFile
    private let values: [Graph.ValueID]
    /// By run, then value: where its floats begin and how many there are.
    private var places: [[(offset: Int, count: Int)]] = []

    /// Of no run yet.
    package init(_ values: [Graph.ValueID]) throws(Failure) {
        file = try TemporaryFile()
        self.values = values
    }

    /// Keeps the values of the next run, as many as the kind has.
    /// - Throws: `io` when the disk is full.
    package mutating func append(_ run: [UnsafeBufferPointer<Float>]) throws(Failure) {
        places.append(
            try run.map { (values) throws(Failure) in
                (try file.append(UnsafeRawBufferPointer(values)), values.count)
            })
    }

    /// Keeps the values of the next run, as many as the kind has.
    /// - Throws: `io` when the disk is full.
    package mutating func append(_ run: [[Float]]) throws(Failure) {
        places.append(
            try run.map { (values) throws(Failure) in
                try values.withBytes { (bytes) throws(Failure) in (try file.append(bytes), values.count) }
            })
    }

    /// Where a value of a run lies; nil for one that is not carried.
    private func place(_ id: Graph.ValueID, _ run: Int) -> (offset: Int, count: Int)? {
        values.firstIndex(of: id).map { places[run][$0] }
    }

    /// The elements of a value; nil for one that is not carried.
    package func floats(_ id: Graph.ValueID, _ run: Int) throws(Failure) -> [Float]? {
        guard let place = place(id, run) else { return nil }
        return try file.floats(at: place.offset, count: place.count)
    }

    /// How many elements a value has; nil for one that is not carried.
    package func count(_ id: Graph.ValueID, _ run: Int) -> Int? { place(id, run)?.count }

    /// Reads elements of a value from number `start` on; none of one that is not carried.
    package func read(
        _ id: Graph.ValueID, _ run: Int, from start: Int, into target: UnsafeMutableBufferPointer<Float>
    ) throws(Failure) {
        guard let place = place(id, run) else { return }
        try file.read(at: place.offset + start * 4, into: UnsafeMutableRawBufferPointer(target))
    }

    /// The rows of the only value, of `columns` elements each.
    package func rows(columns: Int) -> SpooledRows {
        SpooledRows(file, columns: columns, places: places.map { ($0[0].offset, $0[0].count / columns) })
    }
}
