/// How the scales, minimums and codes of groups are found; the raw value is a recipe's word.
public enum Solver: String, CaseIterable, Sendable {
    /// Round to nearest: the range of each group, its scale and minimum rounded to 8 bits, codes to nearest.
    case nearest = "rtn"
    /// The scale and minimum of each group with the least weighted squared error, also after they are rounded to 8 bits.
    /// With a calibration file or an imatrix, columns count by the mean square of what they are multiplied by.
    case search
    /// Rounding with error feedback: later columns make up for the errors of earlier ones. Needs a calibration file.
    case gptq
    /// The same, then coordinate descent on codes, scales and minimums. Needs a calibration file.
    case refit

    /// The best one there is, with the second moments of what weights are multiplied by or without.
    public static func best(calibrated: Bool) -> Solver { calibrated ? .refit : .search }

    /// Whether it needs to know what the weight is multiplied by.
    public var isCalibrated: Bool { self == .gptq || self == .refit }

    /// What a tensor's note says.
    var note: String {
        switch self {
        case .nearest: "rounded to nearest"
        case .search: "weighted search"
        case .gptq: "rounded with error feedback"
        case .refit: "rounded with error feedback, refitted"
        }
    }
}
