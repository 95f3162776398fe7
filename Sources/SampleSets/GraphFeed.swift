package import Runtime
package import Storage

/// What a graph is run over: sequences of tokens, or pictures, each by itself.
package protocol GraphFeed {
    /// How many runs there are.
    var count: Int { get }

    /// What the symbols stand for in run `index`.
    func extents(_ index: Int) -> Extents

    /// The input of that name for run `index`.
    func input(_ name: String, _ index: Int) throws(Failure) -> PlanInput
}

/// The rows that a graph gave for each run, kept in a file.
public struct SpooledRows {
    private let file: TemporaryFile?
    /// Elements of a row.
    package let columns: Int
    private let places: [(offset: Int, rows: Int)]

    package init(_ file: TemporaryFile, columns: Int, places: [(offset: Int, rows: Int)]) {
        self.file = file
        self.columns = columns
        self.places = places
    }

    /// Keeps rows that are in memory.
    /// - Throws: `io` when the disk is full.
    package init(_ runs: [[Float]], columns: Int) throws(Failure) {
        let file = try TemporaryFile()
        let places = try runs.map { (values) throws(Failure) in
            try values.withBytes { (bytes) throws(Failure) in
                (offset: try file.append(bytes), rows: values.count / max(1, columns))
            }
        }
        self.init(file, columns: columns, places: places)
    }

    /// Of no run.
    package static var none: SpooledRows { SpooledRows() }

    private init() { (file, columns, places) = (nil, 1, []) }

    /// The number of rows of run `index`.
    package func rows(_ index: Int) -> Int { places[index].rows }

    /// The rows of run `index`, element after element.
    package func values(_ index: Int) throws(Failure) -> [Float] {
        try file?.floats(at: places[index].offset, count: places[index].rows * columns) ?? []
    }
}
