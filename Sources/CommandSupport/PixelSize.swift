public import ArgumentParser

/// A picture's size as people write it: `1280x960`.
public struct PixelSize: ExpressibleByArgument, Sendable {
    /// In pixels, from 1 to 2²⁰.
    public let width, height: Int

    /// Reads two numbers between which there is the letter x; nil for anything else.
    public init?(argument: String) {
        guard let sides = PixelSize.numbers(argument, count: 2) else { return nil }
        (width, height) = (sides[0], sides[1])
    }

    /// So many numbers between letters x, each from 1 to 2²⁰.
    public static func numbers(_ text: String, count: Int) -> [Int]? {
        let numbers = text.split(separator: "x", omittingEmptySubsequences: false).compactMap { Int($0) }
        guard numbers.count == count, numbers.allSatisfy({ (1...1 << 20).contains($0) }) else { return nil }
        return numbers
    }
}
