public import ArgumentParser

/// A number of bytes as people write it: `512M`, `3GiB`, `4096`. Prefixes are powers of 1024.
public struct ByteCount: ExpressibleByArgument, Sendable {
    /// The number.
    public let bytes: Int

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
        self.bytes = bytes
    }

    /// `1.5 GiB`, `12.0 MiB`, `980 B`.
    public static func text(_ bytes: Int) -> String {
        var value = Double(bytes)
        var unit = 0
        while value >= 1024, unit < 4 {
            value /= 1024
            unit += 1
        }
        return unit == 0
            ? "\(bytes) B" : "\(fixed(value, value < 10 ? 2 : 1)) \(["", "KiB", "MiB", "GiB", "TiB"][unit])"
    }
}

/// A number with so many decimals.
public func fixed(_ value: Double, _ decimals: Int) -> String {
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    guard value.isFinite, abs(value) < 1e15, abs(value) * scale < 9e18 else { return "\(value)" }
    let units = Int((abs(value) * scale).rounded())
    let sign = value < 0 && units > 0 ? "-" : ""
    guard decimals > 0 else { return sign + "\(units)" }
    let fraction = "\(units % Int(scale))"
    return sign + "\(units / Int(scale))." + String(repeating: "0", count: decimals - fraction.count)
        + fraction
}

/// A number with about three significant digits, however small: `0.00404`, `1.27e-06`.
public func significant(_ value: Double) -> String {
    guard value != 0, value.isFinite else { return "\(value)" }
    let magnitude = abs(value)
    if magnitude >= 100 { return fixed(value, 1) }
    if magnitude >= 1 { return fixed(value, 3) }
    if magnitude >= 1e-4 {
        return fixed(value, magnitude >= 0.1 ? 4 : magnitude >= 0.01 ? 5 : magnitude >= 0.001 ? 6 : 7)
    }
    var exponent = 0
    var mantissa = value
    while abs(mantissa) < 1 {
        mantissa *= 10
        exponent += 1
    }
    return "\(fixed(mantissa, 2))e-\(exponent)"
}
