internal import CImageCodecs

/// Antialiased bicubic resizing of 8-bit pictures, equal to Pillow's or torchvision's to the last bit.
///
/// Both work side by side (separably), in fixed point, and round and clamp to 8 bits between the two passes. They differ
/// in the width of the weights and in the order of the passes.
struct ImageResizer {
    private let target: ImageSize
    private let passes: [Pass]

    private enum Pass {
        case rows(ResamplingWeights)
        case columns(ResamplingWeights)
    }

    init(from source: ImageSize, to target: ImageSize, _ resampling: ImagePreprocessor.Resampling) {
        self.target = target
        let rows =
            source.width == target.width
            ? [] : [Pass.rows(ResamplingWeights(from: source.width, to: target.width, resampling))]
        let columns =
            source.height == target.height
            ? [] : [Pass.columns(ResamplingWeights(from: source.height, to: target.height, resampling))]
        // Pillow 13 begins with the columns where that saves work; before, and in torchvision, rows always come first.
        let shrinksHeightMore =
            target.height < source.height && source.height - target.height > 2 * (source.width - target.width)
        passes = resampling == .pillow && shrinksHeightMore ? columns + rows : rows + columns
    }

    /// Resizes a picture of the size that this was made for.
    func resize(_ picture: Picture) -> Picture {
        passes.reduce(picture) { picture, pass in
            switch pass {
            case .rows(let weights): Self.resampleRows(picture, to: target.width, weights)
            case .columns(let weights): Self.resampleColumns(picture, to: target.height, weights)
            }
        }
    }

    private static func resampleRows(_ input: Picture, to width: Int, _ weights: ResamplingWeights) -> Picture
    {
        let size = ImageSize(width: width, height: input.height)
        let pixels = [UInt8](unsafeUninitializedCapacity: size.width * size.height * 3) {
            output, initialized in
            tessera_resample_rows(
                input.pixels, input.height, input.width, output.baseAddress, width, weights.windows,
                weights.weights, weights.bits)
            initialized = output.count
        }
        return Picture(unchecked: pixels, size: size)
    }

    private static func resampleColumns(_ input: Picture, to height: Int, _ weights: ResamplingWeights)
        -> Picture
    {
        let size = ImageSize(width: input.width, height: height)
        let stride = 3 * input.width
        var sums = [Int32](repeating: 0, count: stride)
        let pixels = [UInt8](unsafeUninitializedCapacity: stride * height) { output, initialized in
            tessera_resample_columns(
                input.pixels, stride, output.baseAddress, height, weights.windows, weights.weights,
                weights.bits,
                &sums)
            initialized = output.count
        }
        return Picture(unchecked: pixels, size: size)
    }
}

/// The fixed-point weights of one pass.
struct ResamplingWeights {
    private(set) var windows: [tessera_window] = []
    private(set) var weights: [Int32] = []
    /// Fractional bits of the weights.
    private(set) var bits: Int32

    /// The weights of the Keys kernel (a = -0.5), stretched when shrinking, cut off at the borders, summing to 1.
    init(from input: Int, to output: Int, _ resampling: ImagePreprocessor.Resampling) {
        let scale = Double(input) / Double(output)
        let stretch = max(scale, 1)
        let support = 2 * stretch
        var exact: [Double] = []
        for index in 0..<output {
            let center = (Double(index) + 0.5) * scale
            let start = max(Int(center - support + 0.5), 0)
            let end = min(Int(center + support + 0.5), input)
            let taps = (start..<end).map { Self.kernel((Double($0) - center + 0.5) * (1 / stretch)) }
            let sum = taps.reduce(0, +)
            windows.append(
                tessera_window(start: Int32(start), count: Int32(taps.count), weights: Int32(exact.count)))
            exact.append(contentsOf: taps.map { $0 / sum })
        }
        bits = Self.bits(largest: exact.max() ?? 0, resampling)
        let one = Double(1 << Int(bits))
        weights = exact.map { Int32(($0 * one).rounded(.toNearestOrAwayFromZero)) }
    }

    /// Pillow has 22 fractional bits; torchvision as many, up to 22, as let the largest weight fit 16 bits.
    private static func bits(largest: Double, _ resampling: ImagePreprocessor.Resampling) -> Int32 {
        guard resampling == .torchvision else { return 22 }
        var bits: Int32 = 0
        while bits < 22, Int(0.5 + largest * Double(1 << Int(bits + 1))) < 1 << 15 { bits += 1 }
        return bits
    }

    private static func kernel(_ x: Double) -> Double {
        let (x, a) = (abs(x), -0.5)
        if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
        return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
    }
}
