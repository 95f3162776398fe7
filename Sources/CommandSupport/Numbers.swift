import ArgumentParser
import Threads

/// The numbers that options take, bounded where they are read.
public enum Allowed {
    /// Threads of a pool.
    public static let threads = 1...ThreadPool.most
    /// Tokens that are asked for at once.
    public static let tokens = 1...1 << 24
    /// Tokens of a conversation; what memory has no room for is refused with its size.
    public static let context = 1...Int(Int32.max)
    /// Frames taken of a second.
    public static let fps = 1e-3...1e4
    /// Frames taken of a video.
    public static let frames = 1...4096
}

/// Reads a whole number for an option.
/// - Returns: what throws, with the numbers that are allowed, for anything else.
public func whole(_ range: ClosedRange<Int>) -> @Sendable (String) throws -> Int {
    { text in
        guard let value = Int(text), range.contains(value) else {
            throw ValidationError("a whole number from \(range.lowerBound) to \(range.upperBound) is wanted")
        }
        return value
    }
}

/// Reads a number for an option.
/// - Returns: what throws, with the numbers that are allowed, for anything else.
public func number<Value: BinaryFloatingPoint & LosslessStringConvertible & Sendable>(
    _ range: ClosedRange<Value>
) -> @Sendable (String) throws -> Value {
    { text in
        guard let value = Value(text), range.contains(value) else {
            throw ValidationError("a number from \(range.lowerBound) to \(range.upperBound) is wanted")
        }
        return value
    }
}
