import Storage

/// A reader that is given whatever bytes libFuzzer thinks of.
struct FuzzTarget: Sendable {
    /// What it is called on the command line.
    let name: String
    /// The longest input worth trying, in bytes.
    let maximumLength: Int
    /// What stands in sound files of the format, for libFuzzer to put into others.
    var words: [String] = []
    /// Sound files, small ones.
    let seeds: @Sendable () throws -> [[UInt8]]
    /// Reads an input. What it throws must be a `Failure` that a file can deserve; what it accepts must hold together.
    let read: @Sendable ([UInt8]) throws -> Void

    /// All of them.
    static let all: [FuzzTarget] = [
        .json, .safetensors, .shardIndex, .torch, .pickle, .gguf, .blocks, .bundleHeader, .bundleSections,
        .graph,
        .recipe,
        .calibration, .tokenizer, .tiktoken, .tokenizerSection, .prompt, .config, .picture, .jinja,
        .quantized, .adapter, .session,
    ]

    /// Reads one input.
    func callAsFunction(_ bytes: [UInt8]) {
        do { try read(bytes) } catch let failure as Failure {
            guard failure.kind == .badInput || failure.kind == .limit else {
                fatalError("\(name): refused as \(failure.kind): \(failure)")
            }
        } catch { fatalError("\(name): \(error)") }
    }
}

/// Ends the run where something accepted does not hold together: libFuzzer keeps the input.
func require(_ condition: Bool, _ claim: @autoclosure () -> String) {
    if !condition { fatalError(claim()) }
}

/// The text of a target whose input is JSON.
func parsed(_ bytes: [UInt8]) throws(Failure) -> JSON { try JSON(parsing: bytes) }
