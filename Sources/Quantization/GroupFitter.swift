internal import CKernels
public import GroupFormats
public import Storage
public import Threads

/// Fits group codes to the rows of a matrix, tile by tile.
///
/// What is minimised is `Σ importance[k] · √(1 + magnitude · w² / mean w²) · (w − ŵ)²`, the mean over the group. The bytes
/// depend neither on the threads nor on the instruction set.
public struct GroupFitter: Sendable {
    /// How much more large weights count where nothing is known about the columns; √(1 + w²/σ²) is close to
    /// the √(σ² + w²) and σ + |w| of the field.
    ///
    /// Judge it only on weights that were never quantized: of those that lie near a grid already, plain error
    /// (0) finds the grid again and looks better than it is.
    public static let uncalibratedMagnitude: Float = 1
    /// With the importance of columns known: √(2σ² + w²), as the field combines both.
    public static let calibratedMagnitude: Float = 0.5

    /// Of the whole matrix.
    public let geometry: GroupGeometry
    /// How scales, minimums and codes are found.
    public let solver: Solver
    private let importance: [Float]?
    private let magnitude: Float

    /// A fitter for a matrix.
    /// - Parameters:
    ///   - importance: how much each column counts, E[x²] of the inputs; K values, finite and not negative.
    ///   - magnitude: how much more large weights count; 0 minimises the plain error. By default one of the constants.
    /// - Throws: `.badInput` when `importance` is not as it should be.
    public init(
        _ geometry: GroupGeometry, _ solver: Solver, importance: [Float]? = nil, magnitude: Float? = nil
    ) throws(Failure) {
        if let importance {
            guard importance.count == geometry.columns else {
                throw .badInput(
                    "the importance has \(importance.count) values for \(geometry.columns) columns")
            }
            if let column = importance.firstIndex(where: { !($0 >= 0 && $0.isFinite) }) {
                throw .badInput("the importance of column \(column) is \(importance[column])")
            }
        }
        self.geometry = geometry
        self.solver = solver
        self.importance = importance
        self.magnitude =
            magnitude ?? (importance == nil ? Self.uncalibratedMagnitude : Self.calibratedMagnitude)
    }

    /// The tiles that hold this many rows.
    public func tileCount(rows: Int) -> Int { (rows + GroupGeometry.tileRows - 1) / GroupGeometry.tileRows }

    /// Fits consecutive rows and writes their tiles.
    ///
    /// - Parameters:
    ///   - rows: row-major elements of `type`, whole rows.
    ///   - firstRow: the number of the first, for messages.
    ///   - tiles: a tile for each 16 rows; a short last tile is filled up with zeros.
    /// - Returns: how far the codes are from the rows.
    /// - Throws: `.badInput` naming the first weight that is NaN, infinite or beyond 2¹²⁶, or a type that is no float.
    public func fit(
        _ rows: UnsafeRawBufferPointer, _ type: ElementType, firstRow: Int = 0,
        into tiles: UnsafeMutableRawBufferPointer, _ pool: ThreadPool
    ) throws(Failure) -> Distortion {
        guard let kernelType = type.kernelType else {
            throw .badInput("has elements of type \(type.rawValue)")
        }
        let stride = geometry.columns * type.width
        let rowCount = rows.count / stride
        let count = tileCount(rows: rowCount)
        precondition(rows.count == rowCount * stride && tiles.count == count * geometry.tileBytes)
        let panel = Panel(
            self, rows, kernelType, stride: stride, tiles: tiles, count: count, workers: pool.threads)
        defer { panel.deallocate() }
        pool.run(count, grain: 1) { tiles, worker in for tile in tiles { panel.fit(tile, worker) } }
        guard let distortion = panel.distortion else {
            throw NumericFault.first(in: rows, type, beyond: 0x1p126).failure(
                columns: geometry.columns, firstRow)
        }
        return distortion
    }

    /// Rows being fitted by several workers, each of which writes only what is its own.
    private struct Panel: @unchecked Sendable {
        private let fitter: GroupFitter
        private let rows: UnsafeRawBufferPointer
        private let type: tsr_fit_type
        private let stride: Int
        private let tiles: UnsafeMutableRawBufferPointer
        private let scratch: UnsafeMutableRawBufferPointer
        private let scratchStride: Int
        /// One for each tile; nil when it could not be fitted.
        private let results: UnsafeMutableBufferPointer<tsr_fit_error?>

        init(
            _ fitter: GroupFitter, _ rows: UnsafeRawBufferPointer, _ type: tsr_fit_type, stride: Int,
            tiles: UnsafeMutableRawBufferPointer, count: Int, workers: Int
        ) {
            self.fitter = fitter
            self.rows = rows
            self.type = type
            self.stride = stride
            self.tiles = tiles
            var format = fitter.geometry.kernelFormat
            scratchStride = (tsr_fit_scratch_bytes(&format) + 63) / 64 * 64
            scratch = .allocate(byteCount: scratchStride * workers, alignment: 64)
            results = .allocate(capacity: count)
            results.initialize(repeating: nil)
        }

        func deallocate() {
            scratch.deallocate()
            results.deallocate()
        }

        func fit(_ tile: Int, _ worker: Int) {
            let geometry = fitter.geometry
            let start = tile * GroupGeometry.tileRows * stride
            var format = geometry.kernelFormat
            var source = tsr_fit_rows(
                data: rows.baseAddress.map { $0 + start }, stride: stride,
                count: UInt32(min(GroupGeometry.tileRows, (rows.count - start) / stride)), type: type)
            let solver = fitter.solver == .nearest ? TSR_FIT_NEAREST : TSR_FIT_SEARCH
            let out = tiles.baseAddress?.assumingMemoryBound(to: UInt8.self)
            var error = tsr_fit_error()
            let fitted = fitter.withWeighting { weighting in
                tsr_fit_tile(
                    &format, solver, &weighting, &source,
                    scratch.baseAddress.map { $0 + worker * scratchStride },
                    out.map { $0 + tile * geometry.tileBytes }, &error)
            }
            if fitted { results[tile] = error }
        }

        /// The sum over the tiles, in their order; nil when one could not be fitted.
        var distortion: Distortion? {
            var sum = Distortion()
            for result in results {
                guard let result else { return nil }
                sum += Distortion(squaredError: result.error, energy: result.energy, worstGroup: result.worst)
            }
            return sum
        }
    }

    private func withWeighting<T>(_ body: (inout tsr_fit_weighting) -> T) -> T {
        guard let importance else {
            var weighting = tsr_fit_weighting(importance: nil, magnitude: magnitude)
            return body(&weighting)
        }
        return importance.withUnsafeBufferPointer { importance in
            var weighting = tsr_fit_weighting(importance: importance.baseAddress, magnitude: magnitude)
            return body(&weighting)
        }
    }
}

extension ElementType {
    /// The kernels' name for it; nil for types that weights do not come in.
    var kernelType: tsr_fit_type? {
        switch self {
        case .float64: TSR_FIT_F64
        case .float32: TSR_FIT_F32
        case .float16: TSR_FIT_F16
        case .bfloat16: TSR_FIT_BF16
        default: nil
        }
    }
}
