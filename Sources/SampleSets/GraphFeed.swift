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
    private let file: TemporaryFile
    private let columns: Int
    private let places: [(offset: Int, rows: Int)]

    package init(_ file: TemporaryFile, columns: Int, places: [(offset: Int, rows: Int)]) {
        self.file = file
        self.columns = columns
        self.places = places
    }

    /// The number of rows of run `index`.
    package func rows(_ index: Int) -> Int { places[index].rows }

    /// The rows of run `index`, element after element.
    package func values(_ index: Int) throws(Failure) -> [Float] {
        try file.floats(at: places[index].offset, count: places[index].rows * columns)
    }
}
