internal import CKernels
internal import COpenBLAS
internal import GroupFormats
internal import Storage

/// Up to 64 rows of a matrix being solved.
final class SolverPanel {
    private let geometry: GroupGeometry
    private let factor: MomentFactor
    /// By place in the order of rounding.
    private let importance: [Float]
    /// [K][rows], by column: the weights, their errors Δ, and Δ H.
    private let weights, errors, gradient: UnsafeMutablePointer<Float>
    /// [K][rows], by place in the order of rounding.
    private let compensated: UnsafeMutablePointer<Float>
    /// [128][rows]: of one group.
    private let change: UnsafeMutablePointer<Float>
    private let scratch: UnsafeMutablePointer<Float>
    private let memory: UnsafeMutableRawPointer
    private var tiles: [GroupTile] = []
    private var units = [Float](repeating: 1, count: SolverPanel.rows)

    static let rows = MomentSolver.panelRows
    private static let tileRows = GroupGeometry.tileRows

    init(_ geometry: GroupGeometry, _ factor: MomentFactor, _ importance: [Float]) {
        self.geometry = geometry
        self.factor = factor
        self.importance = importance
        let panel = geometry.columns * Self.rows
        let count = 4 * panel + 128 * Self.rows + geometry.columns * Self.tileRows
        memory = .allocate(byteCount: count * 4, alignment: 64)
        let floats = memory.bindMemory(to: Float.self, capacity: count)
        floats.initialize(repeating: 0, count: count)
        weights = floats
        errors = floats + panel
        gradient = floats + 2 * panel
        compensated = floats + 3 * panel
        change = floats + 4 * panel
        scratch = change + 128 * Self.rows
    }

    deinit { memory.deallocate() }

    /// Solves rows whose tiles hold the codes of the weighted search.
    func solve(
        _ rows: UnsafeRawBufferPointer, _ type: ElementType, into bytes: UnsafeMutableRawBufferPointer,
        _ options: MomentSolver.Options
    ) -> (Distortion, MomentSolver.Losses) {
        load(rows, type, bytes)
        let energy = weightedEnergy(of: weights)
        findErrors()
        let search = loss()
        var compensatedLoss = search
        if options.compensates {
            compensate()
            findErrors()
            compensatedLoss = loss()
        }
        if options.sweeps > 0 {
            for _ in 0..<options.sweeps { descend() }
            findErrors()
        }
        let final = options.sweeps > 0 ? loss() : compensatedLoss
        return (
            store(into: bytes),
            MomentSolver.Losses(search: search, compensated: compensatedLoss, final: final, energy: energy)
        )
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
                    &source, geometry.columns, signs, scratch, weights + first, Self.rows,
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
                        let error = Double(errors[column * Self.rows + place])
                        let value = Double(weights[column * Self.rows + place])
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

    /// GPTQ, group after group in the order of rounding.
    private func compensate() {
        let (k, r, order) = (geometry.columns, Self.rows, factor.order)
        guard let upper = factor.upper.baseAddress else { return }
        for (place, column) in order.columns.enumerated() {
            (compensated + place * r).update(from: weights + column * r, count: r)
        }
        var codes = [UInt8](repeating: 0, count: 128 * Self.tileRows)
        for (number, group) in order.groups.enumerated() {
            let (start, end) = (order.starts[number], order.starts[number + 1])
            for tile in tiles.indices {
                let first = tile * Self.tileRows
                codes.withUnsafeMutableBufferPointer { codes in
                    withGroup(group, of: tile, count: end - start, codes: codes.baseAddress) { kernel in
                        importance.withUnsafeBufferPointer { importance in
                            tsr_solve_compensate(
                                &kernel, compensated + start * r + first,
                                importance.baseAddress.map { $0 + start },
                                upper + start * k + start, k, change + first)
                        }
                    }
                }
                for place in start..<end {
                    let column = order.columns[place]
                    for row in 0..<Self.tileRows {
                        tiles[tile].codes[column * Self.tileRows + row] =
                            codes[(place - start) * Self.tileRows + row]
                    }
                }
            }
            guard end < k else { continue }
            cblas_sgemm(
                CblasRowMajor, CblasTrans, CblasNoTrans, Int32(k - end), Int32(r), Int32(end - start), -1,
                upper + start * k + end, Int32(k), change, Int32(r), 1, compensated + end * r, Int32(r))
        }
    }

    /// One sweep of coordinate descent over all groups; `gradient` is kept up.
    private func descend() {
        let (k, r, size) = (geometry.columns, Self.rows, geometry.format.groupSize)
        guard let moments = factor.moments.baseAddress else { return }
        for group in 0..<geometry.groupCount {
            let start = group * size
            let count = min(size, k - start)
            for tile in tiles.indices {
                let first = tile * Self.tileRows
                withGroup(group, of: tile, count: count, codes: nil) { kernel in
                    tsr_solve_descend(
                        &kernel, gradient + start * r + first, moments + start * k + start, k, change + first)
                }
            }
            cblas_sgemm(
                CblasRowMajor, CblasTrans, CblasNoTrans, Int32(k), Int32(r), Int32(count), -1,
                moments + start * k, Int32(k), change, Int32(r), 1, gradient, Int32(r))
        }
    }

    /// Δ and Δ H for the codes as they are.
    private func findErrors() {
        let (k, r, size) = (geometry.columns, Self.rows, geometry.format.groupSize)
        for group in 0..<geometry.groupCount {
            let count = min(size, k - group * size)
            for tile in tiles.indices {
                withGroup(group, of: tile, count: count, codes: nil) { kernel in
                    tsr_solve_decode(&kernel, errors + group * size * r + tile * Self.tileRows)
                }
            }
        }
        for index in 0..<k * r { errors[index] = weights[index] - errors[index] }
        multiply(errors)
    }

    /// Δ H Δᵀ over all rows, in the units of the weights.
    private func loss() -> Double { product(errors, gradient) }

    private func weightedEnergy(of panel: UnsafeMutablePointer<Float>) -> Double {
        multiply(panel)
        return product(panel, gradient)
    }

    /// `gradient` = H · panel.
    private func multiply(_ panel: UnsafeMutablePointer<Float>) {
        let (k, r) = (geometry.columns, Self.rows)
        cblas_sgemm(
            CblasRowMajor, CblasNoTrans, CblasNoTrans, Int32(k), Int32(r), Int32(k), 1,
            factor.moments.baseAddress, Int32(k), panel, Int32(r), 0, gradient, Int32(r))
    }

    private func product(_ a: UnsafeMutablePointer<Float>, _ b: UnsafeMutablePointer<Float>) -> Double {
        var sums = [Double](repeating: 0, count: Self.rows)
        for column in 0..<geometry.columns {
            for row in 0..<Self.rows {
                let index = column * Self.rows + row
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
                count: count, pitch: Self.rows, bits: UInt32(geometry.format.bits.rawValue), d: parts.d,
                dm: parts.dm, scales: parts.scales + group * Self.tileRows,
                minimums: parts.minimums + group * Self.tileRows, codes: codes ?? parts.codes + firstCode)
            body(&kernel)
        }
    }
}
