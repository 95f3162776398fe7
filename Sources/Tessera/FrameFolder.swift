import Prompts
import Storage

/// A video as a folder of pictures, in the order of their names with numbers in them counted.
struct FrameFolder {
    let path: String
    /// The pictures' paths, in order.
    let files: [String]

    private static let extensions = [
        ".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".avif", ".gif", ".bmp", ".tif", ".tiff",
    ]

    /// Lists the pictures in the folder at `path`; other files in it are passed over.
    /// - Throws: `io` when it cannot be listed, `badInput` when it holds no picture.
    init(_ path: String) throws(Failure) {
        self.path = path
        let names = try Path.list(path).filter { name in
            let name = name.lowercased()
            return !name.hasPrefix(".") && FrameFolder.extensions.contains { name.hasSuffix($0) }
        }
        guard !names.isEmpty else {
            throw .badInput(
                "holds no frames", file: path, remedy: "put pictures there, \(ImageDecoder.formats)")
        }
        files = names.sorted(by: FrameFolder.isBefore).map { Path.join(path, $0) }
    }

    /// Whether a name comes before another: `frame9` before `frame10`.
    static func isBefore(_ first: String, _ second: String) -> Bool {
        let (a, b) = (Array(first.utf8), Array(second.utf8))
        var (i, j) = (0, 0)
        while i < a.count, j < b.count {
            let (x, y) = (number(a, &i), number(b, &j))
            if !x.isEmpty, !y.isEmpty {
                if x.count != y.count { return x.count < y.count }
                if x != y { return x.lexicographicallyPrecedes(y) }
            } else if x.isEmpty, y.isEmpty {
                if a[i] != b[j] { return a[i] < b[j] }
                (i, j) = (i + 1, j + 1)
            } else {
                return !x.isEmpty
            }
        }
        if a.count - i != b.count - j { return a.count - i < b.count - j }
        // Numbers that differ in leading zeros only.
        return a.lexicographicallyPrecedes(b)
    }

    /// The digits from `index` on, which moves behind them, without leading zeros but the last.
    private static func number(_ text: [UInt8], _ index: inout Int) -> ArraySlice<UInt8> {
        let digits = text[index...].prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        index = digits.endIndex
        return digits.dropLast().drop { $0 == UInt8(ascii: "0") } + digits.suffix(1)
    }
}
