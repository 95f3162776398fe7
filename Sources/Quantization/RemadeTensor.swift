internal import Bundles
internal import CKernels
internal import Glibc
internal import GroupFormats
public import Storage

/// A tensor made anew, beside the bytes that a bundle has of it.
public struct RemadeTensor: Sendable {
    /// Bytes that differ.
    public let differentBytes: Int
    /// The first of them, counted from the tensor's beginning; nil when all are the same.
    public let firstDifferent: Int?
    /// ‖stored − remade‖ / ‖stored‖ over all values; not finite where values are not.
    public let error: Double
}

extension Quantizer {
    /// Makes one tensor of the plan anew, and compares it with `stored` as it comes: panel by panel.
    ///
    /// The tensors of a source are to be asked for in their order, but some may be left out.
    /// - Parameter stored: as many bytes as the plan gives it.
    public func remake(
        _ index: Int, _ source: some WeightSource, beside stored: UnsafeRawBufferPointer
    ) throws(Failure) -> RemadeTensor {
        let description = plan.items[index].description
        precondition(stored.count == description.byteCount)
        let sink = ComparingSink(StoredPanels(description.encoding, description.shape), stored)
        _ = try write(index..<index + 1, source, into: sink)
        return sink.finish()
    }
}

/// Compares bytes with those that stand already where they would go.
private final class ComparingSink: TensorSink {
    private let panels: StoredPanels
    private let stored: UnsafeRawBufferPointer
    private var place = 0
    private var differentBytes = 0
    private var firstDifferent: Int?
    /// Σ (stored − remade)².
    private var difference = 0.0

    init(_ panels: StoredPanels, _ stored: UnsafeRawBufferPointer) {
        (self.panels, self.stored) = (panels, stored)
    }

    /// They stand there already.
    func place(_ bytes: UnsafeRawBufferPointer, of index: Int, at offset: Int) {}

    func accept(_ bytes: UnsafeRawBufferPointer, of index: Int) throws(Failure) {
        let twin = UnsafeRawBufferPointer(rebasing: stored[place..<place + bytes.count])
        defer { place += bytes.count }
        guard let own = bytes.baseAddress, let other = twin.baseAddress,
            memcmp(own, other, bytes.count) != 0
        else { return }
        for offset in 0..<bytes.count where bytes[offset] != twin[offset] {
            differentBytes += 1
            if firstDifferent == nil { firstDifferent = place + offset }
        }
        difference += panels.sum(twin, bytes, at: place) { ($0 - $1) * ($0 - $1) }
    }

    func finish() -> RemadeTensor {
        guard differentBytes > 0 else {
            return RemadeTensor(differentBytes: 0, firstDifferent: nil, error: 0)
        }
        let energy = panels.sum(stored, stored, at: 0) { own, _ in own * own }
        return RemadeTensor(
            differentBytes: differentBytes, firstDifferent: firstDifferent,
            error: (difference / max(energy, .leastNormalMagnitude)).squareRoot())
    }
}

/// How stored rows are read, wherever in their tensor they begin: one by one where they are floats, else tile by tile.
private struct StoredPanels {
    private enum Form {
        case floats(tsr_float_type, width: Int)
        case coded([CodedRows])
        case published(PublishedGeometry)
    }

    private let form: Form
    private let columns: Int

    /// - Precondition: the encoding can hold the shape.
    init(_ encoding: TensorEncoding, _ shape: Shape) {
        columns = shape.extents.last ?? 1
        let coded = encoding.codedRows(shape)
        if case .float(let type) = encoding, let kernelType = encoding.floatType {
            form = .floats(kernelType, width: columns * type.width)
        } else if let geometry = PublishedGeometry(encoding, shape) {
            form = .published(geometry)
        } else {
            form = .coded(coded)
        }
    }

    /// Sums over the values of panels that begin at byte `offset` of the tensor; the padding of tiles counts, which is 0.
    func sum(
        _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, at offset: Int,
        _ term: (Double, Double) -> Double
    ) -> Double {
        var sum = 0.0
        var rows = ([Float](repeating: 0, count: columns), [Float](repeating: 0, count: columns))
        var place = 0
        while let unit = unit(at: offset + place), place + unit.bytes <= first.count {
            let range = place..<place + unit.bytes
            for row in 0..<unit.rows {
                rows.0.withUnsafeMutableBufferPointer { unit.read(row, first, range.lowerBound, $0) }
                rows.1.withUnsafeMutableBufferPointer { unit.read(row, second, range.lowerBound, $0) }
                for (a, b) in zip(rows.0, rows.1) { sum += term(Double(a), Double(b)) }
            }
            place = range.upperBound
        }
        return sum
    }

    /// What can be read by itself: a row of floats, or a tile.
    private struct Unit {
        let bytes: Int
        let rows: Int
        /// Reads a row of the unit that begins at a byte of a panel.
        let read: (Int, UnsafeRawBufferPointer, Int, UnsafeMutableBufferPointer<Float>) -> Void
    }

    private func unit(at offset: Int) -> Unit? {
        switch form {
        case .floats(let type, let width):
            return Unit(bytes: width, rows: 1) { [columns] _, panel, start, row in
                guard let base = panel.baseAddress, let target = row.baseAddress else { return }
                tsr_to_f32(type, base + start, columns, target)
            }
        case .coded(let runs):
            guard let run = runs.first(where: { $0.bytes.contains(offset) }) else { return nil }
            let tile = run.geometry.tileBytes
            return Unit(bytes: tile, rows: GroupGeometry.tileRows) { index, panel, start, row in
                guard let base = panel.baseAddress else { return }
                var format = run.geometry.kernelFormat
                tsr_fit_row(
                    &format, (base + start).assumingMemoryBound(to: UInt8.self), index, row.baseAddress)
            }
        case .published(let geometry):
            let tile = geometry.tileBytes
            return Unit(bytes: tile, rows: GroupGeometry.tileRows) { index, panel, start, row in
                geometry.read(
                    row: index, of: UnsafeRawBufferPointer(rebasing: panel[start..<start + tile]), into: row)
            }
        }
    }
}
