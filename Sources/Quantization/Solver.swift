/// How the scales, minimums and codes of groups are found without calibration data; the raw value is a recipe's word.
public enum Solver: String, CaseIterable, Sendable {
    /// Round to nearest: the range of each group, its scale and minimum rounded to 8 bits, codes to nearest.
    case nearest = "rtn"
    /// The scale and minimum of each group with the least weighted squared error, also after they are rounded to 8 bits.
    case search
}
