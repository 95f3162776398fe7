public import ArgumentParser
public import Storage

extension ByteCount: ExpressibleByArgument {
    /// Reads a number and an optional unit; nil for anything else.
    public init?(argument: String) {
        let digits = argument.prefix { $0.isNumber || $0 == "." }
        guard let value = Double(digits), value >= 0 else { return nil }
        let units = ["": 0, "K": 10, "M": 20, "G": 30, "T": 40]
        var unit = argument.dropFirst(digits.count).uppercased()
        for suffix in ["IB", "B"] where unit.hasSuffix(suffix) {
            unit.removeLast(suffix.count)
            break
        }
        guard let shift = units[unit], let bytes = Int(exactly: (value * Double(1 << shift)).rounded()) else {
            return nil
        }
        self.init(bytes)
    }
}
