import ArgumentParser
import CKernels
import CommandSupport
import Storage

struct BenchKernels: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "kernels",
        abstract:
            "Time the products with groups of 4 to 8 bits, and the gated delta rule, on one thread, for every instruction set there is."
    )

    @Option(help: "Rows of the matrix.", transform: whole(1...1 << 20))
    var rows: Int = 8960

    @Option(help: "Columns of the matrix.", transform: whole(1...1 << 20))
    var columns: Int = 1536

    @Option(help: "Tokens of a large product.", transform: whole(1...1 << 14))
    var tokens: Int = 128

    @Flag(help: "Report as JSON.")
    var json = false

    private static let formats: [(bits: UInt32, group: UInt32, scales: tsr_packed_scales)] = [
        (4, 32, TSR_ROW_FACTORS), (4, 64, TSR_ROW_FACTORS), (4, 128, TSR_ROW_FACTORS),
        (4, 128, TSR_ZERO_POINTS), (4, 64, TSR_BIASES), (4, 32, TSR_MXFP4), (4, 16, TSR_NVFP4),
        (5, 32, TSR_ROW_FACTORS), (5, 64, TSR_ROW_FACTORS), (5, 32, TSR_ZERO_POINTS), (5, 32, TSR_BIASES),
        (6, 64, TSR_ROW_FACTORS), (6, 64, TSR_BIASES), (8, 32, TSR_ROW_FACTORS), (8, 64, TSR_ROW_FACTORS),
        (8, 128, TSR_ZERO_POINTS), (8, 64, TSR_BIASES),
    ]

    /// As in a bundle's directory.
    private static func name(_ bits: UInt32, _ group: UInt32, _ scales: tsr_packed_scales) -> String {
        switch scales {
        case TSR_MXFP4: "mxfp4"
        case TSR_NVFP4: "nvfp4"
        case TSR_ZERO_POINTS: "int\(bits)-g\(group)-f16"
        case TSR_BIASES: "int\(bits)-g\(group)-f16b"
        default: "int\(bits)-g\(group)"
        }
    }

    mutating func validate() throws {
        // What one run takes: a second or so, and a few bytes for every weight and result.
        guard rows * columns <= 1 << 30, rows * columns / 1024 * tokens <= 1 << 32 else {
            throw ValidationError("a product of so many rows, columns and tokens takes too long")
        }
    }

    mutating func execute() throws(Failure) {
        try Machine.checkMemory(
            for: "the product", 2 * rows * columns + 8 * tokens * (rows + columns),
            remedy: "give fewer rows, columns or tokens")
        var table = Table("kernel", "GMAC/s, \(tokens) tokens", "of peak", "GB/s, 1 token")
        var report: [JSON] = []
        for isa in (0..<UInt32(TSR_ISA_COUNT)).map({ tsr_isa(rawValue: $0) })
        where tsr_isa_available(isa) != 0 {
            let peak = MachineLimits.integerPeak(isa)
            for (bits, group, scales) in Self.formats {
                let bench = ProductBench(
                    isa, rows: rows, columns: columns, tokens: tokens, bits: bits, group: group, scales)
                let name = "\(String(cString: tsr_isa_name(isa))) \(Self.name(bits, group, scales))"
                let products = Double(rows * columns * tokens) / bench.seconds(tokens: tokens) * 1e-9
                let bandwidth = Double(bench.bytes) / bench.seconds(tokens: 1) * 1e-9
                let share = products * 1e9 / peak
                table.add(
                    name, fixed(products, 1), "\(fixed(100 * share, 0)) %", fixed(bandwidth, 1))
                report.append(
                    .pairs([
                        "kernel": .string(name), "gmac_per_second": .double(products),
                        "of_integer_peak": .double(share),
                        "gigabytes_per_second": .double(bandwidth),
                    ]))
            }
            let floatPeak = Self.floatPeak(isa)
            let recurrence = RecurrenceBench(isa, tokens: tokens)
            for kernel in RecurrenceBench.Kernel.allCases {
                let name = "\(String(cString: tsr_isa_name(isa))) \(kernel.rawValue)"
                let products = recurrence.products(kernel, tokens) / recurrence.seconds(kernel, tokens)
                let bandwidth = recurrence.stateBytes(kernel) / recurrence.seconds(kernel, 1) * 1e-9
                table.add(
                    name, fixed(products * 1e-9, 1), "\(fixed(100 * products / floatPeak, 0)) %",
                    fixed(bandwidth, 1))
                report.append(
                    .pairs([
                        "kernel": .string(name), "gmac_per_second": .double(products * 1e-9),
                        "of_float_peak": .double(products / floatPeak),
                        "gigabytes_per_second": .double(bandwidth),
                    ]))
            }
        }
        Console.print(json ? JSON.array(report).serialized(pretty: true) : table.text)
    }

    /// Multiply-adds of floats that one thread does a second.
    private static func floatPeak(_ isa: tsr_isa) -> Double {
        let rounds = 100_000
        return Double(tsr_float_peak(isa, rounds)) / shortest { _ = tsr_float_peak(isa, rounds) }
    }
}

/// Seconds of the best of several runs.
private func shortest(_ body: () -> Void) -> Double {
    var best = Double.infinity
    let start = monotonicSeconds()
    repeat {
        let begin = monotonicSeconds()
        body()
        best = min(best, monotonicSeconds() - begin)
    } while monotonicSeconds() - start < 0.3
    return best
}

/// One product over and over.
private final class ProductBench {
    private let isa: tsr_isa
    private let tiles: UnsafeMutableRawPointer
    private var packed: tsr_packed
    private let codes: [Int8]
    private let scales: [Float]
    private let sums: [Float]
    /// Of the activations: columns that share a scale, and how many such groups there are.
    private let together: Int
    private let groups: Int
    private var y: [Float]
    let bytes: Int

    init(
        _ isa: tsr_isa, rows: Int, columns: Int, tokens: Int, bits: UInt32, group: UInt32,
        _ kind: tsr_packed_scales
    ) {
        self.isa = isa
        together = Int(tsr_activation_group(group))
        groups = (columns + together - 1) / together
        bytes = (rows + 15) / 16 * tsr_packed_tile_bytes(columns, bits, group, kind)
        tiles = .allocate(byteCount: bytes, alignment: 64)
        let octets = tiles.bindMemory(to: UInt8.self, capacity: bytes)
        // Any bytes will do, but for floats that must not be subnormal, which would be slow.
        for index in 0..<bytes { octets[index] = 0x3f }
        packed = tsr_packed(
            tiles: octets, rows: rows, columns: columns, bits: bits, group: group, scales: kind)
        codes = [Int8](repeating: 3, count: tokens * groups * together)
        scales = [Float](repeating: 0.01, count: tokens * groups)
        sums = [Float](repeating: 0.5, count: tokens * groups)
        y = [Float](repeating: 0, count: tokens * rows)
    }

    deinit { tiles.deallocate() }

    func seconds(tokens: Int) -> Double { shortest { run(tokens) } }

    private func run(_ tokens: Int) {
        codes.withUnsafeBufferPointer { codes in
            scales.withUnsafeBufferPointer { scales in
                sums.withUnsafeBufferPointer { sums in
                    var x = tsr_activations(
                        codes: codes.baseAddress, scales: scales.baseAddress, sums: sums.baseAddress,
                        tokens: tokens,
                        padded_columns: groups * together, groups: groups)
                    tsr_packed_product_with(
                        isa, &packed, 0, (packed.rows + 15) / 16, &x, 0, tokens, nil, &y, packed.rows)
                }
            }
        }
    }
}

/// What goes on between the projections of a gated delta rule's layer, over and over.
private final class RecurrenceBench {
    enum Kernel: String, CaseIterable {
        case deltaRule = "delta rule"
        case convolution
    }

    /// As the smallest published models have them.
    private static let heads = 16
    private static let dim = 128
    private static let width = 4
    private static let channels = 3 * heads * dim

    private let kernels: tsr_float_kernels
    /// A row holds q, k and v side by side.
    private let x: UnsafeMutableBufferPointer<Float>
    private let y: UnsafeMutableBufferPointer<Float>
    private let gates: UnsafeMutableBufferPointer<Float>
    private let weights: UnsafeMutableBufferPointer<Float>
    private let tail: UnsafeMutableBufferPointer<Float>
    private let state: UnsafeMutableBufferPointer<Float>

    init(_ isa: tsr_isa, tokens: Int) {
        /// Of a size that keeps the state bounded.
        func floats(_ count: Int) -> UnsafeMutableBufferPointer<Float> {
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 4 * count, alignment: 64)
            let floats = memory.bindMemory(to: Float.self)
            floats.initialize(repeating: 0.08)
            return floats
        }
        kernels = tsr_float_kernels_for(isa).pointee
        x = floats(tokens * Self.channels)
        y = floats(tokens * Self.channels)
        gates = floats(tokens * Self.heads)
        weights = floats(Self.channels * Self.width)
        tail = floats(Self.channels * (Self.width - 1))
        state = floats(Self.blocks * Self.dim * Int(TSR_DELTA_COLUMNS))
    }

    deinit { for floats in [x, y, gates, weights, tail, state] { floats.deallocate() } }

    private static var blocks: Int { heads * tsr_delta_blocks(dim) }

    /// The decay of an element of state counts as one, beside what it recalls, what it takes up, and what it gives.
    func products(_ kernel: Kernel, _ tokens: Int) -> Double {
        switch kernel {
        case .deltaRule: Double(4 * Self.heads * Self.dim * Self.dim * tokens)
        case .convolution: Double(Self.channels * Self.width * tokens)
        }
    }

    /// What a call reads however many tokens it has, and nothing else.
    func stateBytes(_ kernel: Kernel) -> Double {
        switch kernel {
        case .deltaRule: Double(4 * state.count)
        case .convolution: Double(4 * (weights.count + tail.count))
        }
    }

    func seconds(_ kernel: Kernel, _ tokens: Int) -> Double {
        switch kernel {
        case .deltaRule: shortest { recall(tokens) }
        case .convolution: shortest { convolve(tokens) }
        }
    }

    private func recall(_ tokens: Int) {
        let (keys, channels) = (Self.heads * Self.dim, Self.channels)
        var layer = tsr_delta_layer(
            q: x.baseAddress, k: x.baseAddress.map { $0 + keys }, q_stride: channels, k_stride: channels,
            v: x.baseAddress.map { $0 + 2 * keys }, v_stride: channels, decay: gates.baseAddress,
            beta: gates.baseAddress, gate_stride: Self.heads, state: state.baseAddress, y: y.baseAddress,
            y_stride: channels, tokens: tokens, key_heads: Self.heads, value_heads: Self.heads,
            key_dim: Self.dim, value_dim: Self.dim)
        kernels.delta_rule(&layer, 0, Self.blocks)
    }

    private func convolve(_ tokens: Int) {
        var call = tsr_convolution(
            weights: weights.baseAddress, width: Self.width, tail: tail.baseAddress, x: x.baseAddress,
            x_stride: Self.channels, y: y.baseAddress, y_stride: Self.channels, channels: Self.channels,
            tokens: tokens)
        kernels.causal_convolution(&call, 0, Self.channels)
    }
}
