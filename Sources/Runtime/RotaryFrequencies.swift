import Glibc
import GraphIR

/// Which position axis drives which frequency, for each of the headDimension/2 angles.
struct RotaryFrequencies {
    let axes: [Int]
    /// Rows of positions.
    let axisCount: Int
    private let frequencies: [Float]
    /// For tables that stretch: the frequencies by the logarithm of the stretch, from 1 on.
    private let stretched: [[Float]]
    private let trainedLength: Int?

    /// Stretches up to 2¹⁶ − 1 are told apart.
    private static let stretches = 16

    /// Frequencies are computed in float32, as the reference does.
    init(_ table: Operation.RotaryTable) {
        let half = table.headDimension / 2
        axisCount = table.axes
        trainedLength = table.trainedLength
        switch table.layout {
        case .sections(let sections):
            axes = sections.enumerated().flatMap { axis, count in Array(repeating: axis, count: count) }
        case .interleaved(let sections):
            axes = (0..<half).map { j in
                let axis = j % sections.count
                return j < sections.count * sections[axis] ? axis : 0
            }
        case .axial(let count):
            let each = half / count
            axes = (0..<half).map { $0 / each }
            frequencies = (0..<half).map {
                RotaryFrequencies.frequency(table.theta, 2 * ($0 % each), half * 2 / count)
            }
            stretched = []
            return
        }
        let head = table.headDimension
        frequencies = (0..<half).map { RotaryFrequencies.frequency(table.theta, 2 * $0, head) }
        stretched =
            table.trainedLength == nil
            ? []
            : (1...RotaryFrequencies.stretches).map { power in
                let stretch = exp2(Double(power)) - 1
                let theta = table.theta * pow(stretch, Double(head) / Double(head - 2))
                return (0..<half).map { RotaryFrequencies.frequency(theta, 2 * $0, head) }
            }
    }

    /// The frequencies for a prompt of `promptLength` tokens.
    func frequencies(promptLength: Int) -> [Float] {
        guard let trainedLength, promptLength > trainedLength else { return frequencies }
        let power = (log2(Double(promptLength) / Double(trainedLength)) + 1).rounded(.up)
        return stretched[min(max(Int(power), 1), RotaryFrequencies.stretches) - 1]
    }

    private static func frequency(_ theta: Double, _ numerator: Int, _ denominator: Int) -> Float {
        1 / powf(Float(theta), Float(numerator) / Float(denominator))
    }
}
