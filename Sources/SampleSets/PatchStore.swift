public import Storage

/// The patches of a set's visuals, as float16: pictures have 256 levels, and patches are the largest part of a set.
public protocol PatchStore {
    /// The float16 patches of visual `index`, row after row.
    func withPatches<Result>(
        _ index: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result
}

/// Patches on their way into a calibration file.
public final class SpooledPatches: PatchStore {
    private let file: TemporaryFile
    private var places: [(offset: Int, count: Int)] = []

    /// None yet.
    public init() throws(Failure) { file = try TemporaryFile() }

    /// Adds the patches of the next visual.
    public func append(_ values: [Float]) throws(Failure) {
        let halves = values.map { Float16($0) }
        var failure: Failure?
        halves.withUnsafeBytes { bytes in
            do throws(Failure) { places.append((try file.append(bytes), bytes.count)) } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    /// The float16 patches of visual `index`, row after row.
    public func withPatches<Result>(
        _ index: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: places[index].count, alignment: 64)
        defer { buffer.deallocate() }
        try file.read(at: places[index].offset, into: buffer)
        return try body(UnsafeRawBufferPointer(buffer))
    }
}

/// Some of the visuals of another store.
package struct PatchSelection: PatchStore {
    private let store: any PatchStore
    private let numbers: [Int]

    /// Those of these numbers, in their order.
    package init(store: any PatchStore, numbers: [Int]) {
        self.store = store
        self.numbers = numbers
    }

    package func withPatches<Result>(
        _ index: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try store.withPatches(numbers[index], body)
    }
}
