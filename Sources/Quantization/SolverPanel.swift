internal import CKernels
internal import COpenBLAS
internal import GroupFormats
internal import Storage

/// Some rows of a matrix being solved.
final class SolverPanel {
    private let geometry: GroupGeometry
    private let factor: MomentFactor
    /// Rows side by side: whole tiles.
    private let rows: Int
    /// [K][rows], by column: the weights, their errors Δ, and Δ H.
    private let weights, errors, gradient: UnsafeMutablePointer<Float>
    /// [K][rows], by place in the order of rounding: the weights with what was handed on to them.
    private let adjusted: UnsafeMutablePointer<Float>
    /// [256][rows]: of the columns of a block.
    private let change: UnsafeMutablePointer<Float>
    private let scratch: UnsafeMutablePointer<Float>
    private let memory: UnsafeMutableRawPointer
    private var tiles: [GroupTile] = []
    private var units: [Float]

    private static let tileRows = GroupGeometry.tileRows
    /// Columns of a block, whole groups at most so wide together: those before it are done with, and reach the others in one
    /// product.
    private static let blockColumns = 256

    /// - Parameter rows: at most so many are solved; a multiple of those of a tile.
    init(_ geometry: GroupGeometry, _ factor: MomentFactor, rows: Int) {
        self.geometry = geometry
        self.factor = factor
        self.rows = rows
        let panel = geometry.columns * rows
        let count = 4 * panel + Self.blockColumns * rows + geometry.columns * Self.tileRows
        memory = .allocate(byteCount: count * 4, alignment: 64)
        let floats = memory.bindMemory(to: Float.self, capacity: count)
        floats.initialize(repeating: 0, count: count)
        weights = floats
        errors = floats + panel
        gradient = floats + 2 * panel
        adjusted = floats + 3 * panel
        change = floats + 4 * panel
        scratch = change + Self.blockColumns * rows
        units = Array(repeating: 1, count: rows)
    }

    deinit { memory.deallocate() }

    /// Solves rows whose tiles hold the codes of the weighted search.
    /// - Parameter measures: whether to find what each step leaves of the loss; without, there are no losses.
    func solve(
        _ rows: UnsafeRawBufferPointer, _ type: ElementType, into bytes: UnsafeMutableRawBufferPointer,
        _ options: MomentSolver.Options, measures: Bool
    ) -> (Distortion, MomentSolver.Losses) {
        load(rows, type, bytes)
        var losses = MomentSolver.Losses()
        if measures {
            multiply(weights)
            losses.energy = product(weights, gradient)
            findErrors()
            multiply(errors)
            losses.search = loss()
        }
        if options.compensates { compensate() }
        findErrors()
        if measures || options.sweeps > 0 { multiply(errors) }
        if measures { losses.compensated = loss() }
        for _ in 0..<options.sweeps { descend() }
        findErrors()
        if measures { losses.final = loss() }
        return (store(into: bytes), losses)
    }

    // MARK: In and out

    private func load(
        _ rows: UnsafeRawBufferPointer, _ type: ElementType, _ bytes: UnsafeMutableRawBufferPointer
    ) {
        let stride = geometry.columns * type.width
        let tileBytes = geometry.tileBytes
        for start in Swift.stride(from: 0, to: bytes.count, by: tileBytes) {
            let tileBytes = UnsafeRawBufferPointer(
                rebasing: UnsafeRawBufferPointer(bytes)[start..<start + tileBytes])
            var tile = GroupTile(unpacking: tileBytes, geometry)
            let first = tiles.count * Self.tileRows
            var source = tsr_fit_rows(
                data: rows.baseAddress.map { $0 + first * stride }, stride: stride,
                count: UInt32(min(Self.tileRows, rows.count / stride - first)),
                type: type.kernelType ?? TSR_FIT_F32)
            let signs = zip(tile.d, tile.dm).map { $0 < 0 || $1 < 0 ? Float(-1) : 1 }
            units.withUnsafeMutableBufferPointer { units in
                tsr_solve_load(
                    &source, geometry.columns, signs, scratch, weights + first, self.rows,
                    units.baseAddress.map { $0 + first })
            }
            for row in 0..<Self.tileRows {
                tile.d[row] *= units[first + row]
                tile.dm[row] *= units[first + row]
            }
            tiles.append(tile)
        }
    }

    /// Packs the tiles; gives how far the codes are from the weights.
    private func store(into bytes: UnsafeMutableRawBufferPointer) -> Distortion {
        var distortion = Distortion()
        let size = geometry.format.groupSize
        for (index, var tile) in tiles.enumerated() {
            for row in 0..<Self.tileRows {
                let place = index * Self.tileRows + row
                let back = 1 / (Double(units[place]) * Double(units[place]))
                for start in stride(from: 0, to: geometry.columns, by: size) {
                    var group = Distortion()
                    for column in start..<min(start + size, geometry.columns) {
                        let error = Double(errors[column * rows + place])
                        let value = Double(weights[column * rows + place])
                        group.squaredError += error * error * back
                        group.energy += value * value * back
                    }
                    group.worstGroup = group.normalised
                    distortion += group
                }
                tile.d[row] /= units[place]
                tile.dm[row] /= units[place]
            }
            let start = index * geometry.tileBytes
            tile.pack(
                into: UnsafeMutableRawBufferPointer(rebasing: bytes[start..<start + geometry.tileBytes]))
        }
        return distortion
    }

    // MARK: Steps

    /// Rounds group after group in their order, each with what the errors of those before it hand on.
    private func compensate() {
        let (k, r, order) = (geometry.columns, rows, factor.order)
        // Nothing has need of the gradient before the errors are found anew.
        let ordered = gradient
        for (place, column) in order.columns.enumerated() {
            (ordered + place * r).update(from: weights + column * r, count: r)
            (adjusted + place * r).update(from: weights + column * r, count: r)
        }
        forEachBlock { groups in
            let block = order.starts[groups.lowerBound]..<order.starts[groups.upperBound]
            for number in groups {
                let places = order.starts[number]..<order.starts[number + 1]
                round(number, places, ordered, change + (places.lowerBound - block.lowerBound) * r)
                handOn(places, to: places.upperBound..<block.upperBound, block)
            }
            handOn(block, to: block.upperBound..<k, block)
        }
    }

    /// Rounds the columns at some places, which are a group.
    private func round(
        _ number: Int, _ places: Range<Int>, _ ordered: UnsafeMutablePointer<Float>,
        _ errors: UnsafeMutablePointer<Float>
    ) {
        let (order, first) = (factor.order, places.lowerBound)
        let feedback = factor.feedback.baseAddress.map { $0 + first * (geometry.columns + 1) }
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: places.count * Self.tileRows) { codes in
            for tile in tiles.indices {
                let offset = first * rows + tile * Self.tileRows
                withGroup(order.groups[number], of: tile, count: places.count, codes: codes.baseAddress) {
                    kernel in
                    factor.importance.withUnsafeBufferPointer { importance in
                        tsr_solve_compensate(
                            &kernel, ordered + offset, adjusted + offset,
                            importance.baseAddress.map { $0 + first }, feedback, geometry.columns,
                            errors + tile * Self.tileRows)
                    }
                }
                for (place, column) in order.columns[places].enumerated() {
                    for row in 0..<Self.tileRows {
                        tiles[tile].codes[column * Self.tileRows + row] = codes[place * Self.tileRows + row]
                    }
                }
            }
        }
    }

    /// Hands the errors at some places of a block on to later places.
    private func handOn(_ places: Range<Int>, to later: Range<Int>, _ block: Range<Int>) {
        guard !later.isEmpty, let feedback = factor.feedback.baseAddress else { return }
        let (k, r) = (geometry.columns, rows)
        cblas_sgemm(
            CblasRowMajor, CblasTrans, CblasNoTrans, Int32(later.count), Int32(r), Int32(places.count), 1,
            feedback + places.lowerBound * k + later.lowerBound, Int32(k),
            change + (places.lowerBound - block.lowerBound) * r, Int32(r), 1,
            adjusted + later.lowerBound * r, Int32(r))
    }

    /// One sweep of coordinate descent over all groups; `gradient` is kept up.
    private func descend() {
        let (k, size) = (geometry.columns, geometry.format.groupSize)
        forEachBlock { groups in
            let block = groups.lowerBound * size..<min(k, groups.upperBound * size)
            for group in groups {
                let columns = group * size..<min(k, (group + 1) * size)
                move(group, columns, change + (columns.lowerBound - block.lowerBound) * rows)
                follow(columns, in: block, block)
            }
            follow(block, in: 0..<block.lowerBound, block)
            follow(block, in: block.upperBound..<k, block)
        }
    }

    /// Moves the codes of a group.
    private func move(_ group: Int, _ columns: Range<Int>, _ change: UnsafeMutablePointer<Float>) {
        let first = columns.lowerBound
        guard let moments = factor.moments.baseAddress.map({ $0 + first * (geometry.columns + 1) }) else {
            return
        }
        for tile in tiles.indices {
            let offset = tile * Self.tileRows
            withGroup(group, of: tile, count: columns.count, codes: nil) { kernel in
                tsr_solve_descend(
                    &kernel, gradient + first * rows + offset, moments, geometry.columns, change + offset)
            }
        }
    }

    /// Brings the gradient of other columns up to what changed in some of a block.
    private func follow(_ columns: Range<Int>, in others: Range<Int>, _ block: Range<Int>) {
        guard !others.isEmpty, let moments = factor.moments.baseAddress else { return }
        let (k, r) = (geometry.columns, rows)
        cblas_sgemm(
            CblasRowMajor, CblasTrans, CblasNoTrans, Int32(others.count), Int32(r), Int32(columns.count), -1,
            moments + columns.lowerBound * k + others.lowerBound, Int32(k),
            change + (columns.lowerBound - block.lowerBound) * r, Int32(r), 1,
            gradient + others.lowerBound * r, Int32(r))
    }

    /// Calls `body` with the groups, or the places of groups, of one block after another.
    private func forEachBlock(_ body: (Range<Int>) -> Void) {
        let groups = geometry.groupCount
        let step = max(1, Self.blockColumns / geometry.format.groupSize)
        for first in stride(from: 0, to: groups, by: step) { body(first..<min(groups, first + step)) }
    }

    /// Δ for the codes as they are.
    private func findErrors() {
        let (k, r, size) = (geometry.columns, rows, geometry.format.groupSize)
        for group in 0..<geometry.groupCount {
            let count = min(size, k - group * size)
            for tile in tiles.indices {
                withGroup(group, of: tile, count: count, codes: nil) { kernel in
                    tsr_solve_decode(&kernel, errors + group * size * r + tile * Self.tileRows)
                }
            }
        }
        for index in 0..<k * r { errors[index] = weights[index] - errors[index] }
    }

    /// Δ H Δᵀ over all rows, in the units of the weights.
    private func loss() -> Double { product(errors, gradient) }

    /// `gradient` = H · panel.
    private func multiply(_ panel: UnsafeMutablePointer<Float>) {
        let (k, r) = (geometry.columns, rows)
        cblas_sgemm(
            CblasRowMajor, CblasNoTrans, CblasNoTrans, Int32(k), Int32(r), Int32(k), 1,
            factor.moments.baseAddress, Int32(k), panel, Int32(r), 0, gradient, Int32(r))
    }

    private func product(_ a: UnsafeMutablePointer<Float>, _ b: UnsafeMutablePointer<Float>) -> Double {
        var sums = [Double](repeating: 0, count: rows)
        for column in 0..<geometry.columns {
            for row in 0..<rows {
                let index = column * rows + row
                sums[row] += Double(a[index]) * Double(b[index])
            }
        }
        return zip(sums, units).reduce(0) { $0 + $1.0 / (Double($1.1) * Double($1.1)) }
    }

    /// Lends a group of a tile to the kernels; `codes` in place of the tile's own.
    private func withGroup(
        _ group: Int, of index: Int, count: Int, codes: UnsafeMutablePointer<UInt8>?,
        _ body: (inout tsr_solve_group) -> Void
    ) {
        let firstCode = group * geometry.format.groupSize * Self.tileRows
        tiles[index].withParts { parts in
            var kernel = tsr_solve_group(
                count: count, pitch: rows, bits: UInt32(geometry.format.bits.rawValue), d: parts.d,
                dm: parts.dm, scales: parts.scales + group * Self.tileRows,
                minimums: parts.minimums + group * Self.tileRows, codes: codes ?? parts.codes + firstCode)
            body(&kernel)
        }
    }
}
