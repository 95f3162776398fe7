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
