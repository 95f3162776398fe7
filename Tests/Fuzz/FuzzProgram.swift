import Glibc
import Storage
import TestSupport

// tessera-fuzz [libFuzzer's arguments] -ignore_remaining_args=1 TARGET
// tessera-fuzz prepare FOLDER
//
// libFuzzer has the main; it calls these two.

/// Read once.
private let target = FuzzTarget.all.first { $0.name == CommandLine.arguments.last }

@_cdecl("LLVMFuzzerInitialize")
func initialize(_: UnsafeMutableRawPointer, _: UnsafeMutableRawPointer) -> Int32 {
    if CommandLine.arguments.count == 3, CommandLine.arguments[1] == "prepare" {
        do { try Preparation.write(to: CommandLine.arguments[2]) } catch { fatalError("\(error)") }
        exit(0)
    }
    guard target == nil else { return 0 }
    print("there are the targets \(FuzzTarget.all.map(\.name).joined(separator: ", "))")
    exit(2)
}

@_cdecl("LLVMFuzzerTestOneInput")
func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    target?([UInt8](UnsafeBufferPointer(start: start, count: count)))
    return 0
}

/// What a campaign starts from.
private enum Preparation {
    /// Writes seeds and words, and prints each target's name and longest input.
    static func write(to folder: String) throws {
        try makeDirectory(folder)
        for target in FuzzTarget.all {
            let seeds = Path.join(folder, target.name)
            try makeDirectory(seeds)
            for (number, seed) in try target.seeds().enumerated() {
                // A seed that is refused, or too long to be kept, would try the errors alone.
                try target.read(seed)
                require(
                    seed.count <= target.maximumLength,
                    "\(target.name): seed \(number) has \(seed.count) bytes")
                try writeFile(Path.join(seeds, "seed-\(number)"), seed)
            }
            let words = target.words.map {
                "\"" + $0.unicodeScalars.flatMap(bytes).map(escaped).joined() + "\"\n"
            }
            try writeFile(Path.join(folder, target.name + ".dict"), Array(words.joined().utf8))
            print(target.name, target.maximumLength)
        }
    }

    /// Scalars up to U+00FF stand for the byte of that number.
    private static func bytes(_ scalar: Unicode.Scalar) -> [UInt8] {
        scalar.value < 256 ? [UInt8(scalar.value)] : Array(String(Character(scalar)).utf8)
    }

    private static func escaped(_ byte: UInt8) -> String {
        let digits = String(byte, radix: 16)
        return "\\x" + (digits.count < 2 ? "0" : "") + digits
    }
}
