import CommandSupport
import Glibc
import Storage

/// What was timed, over and over.
struct BenchRow {
    /// What was done.
    enum Subject {
        /// Reading and writing tokens after others.
        case text(prompt: Int, generated: Int, depth: Int)
        /// Encoding a picture into so many rows.
        case picture(width: Int, height: Int, patches: Int, rows: Int)
    }

    let subject: Subject
    /// How tokens were chosen; nil where none were.
    var sampling: String?
    /// The part that was timed; nil for the whole.
    var stage: String?
    /// What a run had to do.
    let work: Work
    /// Seconds of each run.
    let samples: [Double]
    /// The most memory, in a run that was not timed.
    var memory: Machine.Resident?
    /// When the first run began, in seconds since 1970.
    let begun: Int

    /// Tokens read, written or encoded in a run.
    var units: Int {
        switch subject {
        case .text(let prompt, let generated, _): prompt + generated
        case .picture(_, _, _, let rows): rows
        }
    }

    /// As llama-bench calls it, where that knows it.
    var name: String {
        var name: String
        switch subject {
        case .text(let prompt, let generated, let depth):
            let parts = [prompt > 0 ? "pp\(prompt)" : nil, generated > 0 ? "tg\(generated)" : nil]
            name = parts.compactMap(\.self).joined(separator: "+") + (depth > 0 ? " @ d\(depth)" : "")
        case .picture(let width, let height, _, _): name = "image \(width)x\(height)"
        }
        if let sampling, sampling != BenchRow.greedily { name += ", \(sampling)" }
        return name + (stage.map { ": \($0)" } ?? "")
    }

    static let greedily = "greedy"

    var averageSeconds: Double { Self.mean(samples) }

    /// Tokens a second of each run.
    var rates: [Double] { samples.map { Double(units) / $0 } }

    /// Nanoseconds of each run.
    private var nanoseconds: [Double] { samples.map { ($0 * 1e9).rounded() } }

    private static func mean(_ values: [Double]) -> Double {
        values.reduce(0, +) / Double(max(1, values.count))
    }

    /// Of a sample: divided by one less than there are.
    private static func deviation(_ values: [Double]) -> Double {
        guard values.count > 1 else { return 0 }
        let middle = mean(values)
        let squares = values.reduce(0) { $0 + ($1 - middle) * ($1 - middle) }
        return (squares / Double(values.count - 1)).squareRoot()
    }

    /// Tokens a second and how far they spread.
    var rateText: String {
        let average = Self.mean(rates)
        let decimals = average < 10 ? 2 : 1
        return "\(fixed(average, decimals)) ± \(fixed(Self.deviation(rates), decimals))"
    }

    /// What llama-bench says of a test, by its names.
    var figures: [JSON.Member] {
        var (prompt, generated, depth) = (0, 0, 0)
        if case .text(let tokens, let written, let before) = subject {
            (prompt, generated, depth) = (tokens, written, before)
        }
        return [
            .init("n_prompt", .int(prompt)), .init("n_gen", .int(generated)), .init("n_depth", .int(depth)),
            .init("test_time", .string(Self.time(begun))),
            .init("avg_ns", .int(Int(Self.mean(nanoseconds)))),
            .init("stddev_ns", .int(Int(Self.deviation(nanoseconds)))),
            .init("avg_ts", .double(Self.mean(rates))), .init("stddev_ts", .double(Self.deviation(rates))),
            .init("samples_ns", .array(nanoseconds.map { .int(Int($0)) })),
            .init("samples_ts", .array(rates.map(JSON.double))),
        ]
    }

    /// What only this program says.
    func ownFigures(_ limits: MachineLimits) -> [JSON.Member] {
        var picture: [Int?] = [nil, nil, nil, nil]
        if case .picture(let width, let height, let patches, let rows) = subject {
            picture = [width, height, patches, rows]
        }
        func number(_ value: Int?) -> JSON { value.map(JSON.int) ?? .null }
        return [
            .init("test", .string(name)), .init("sampling", sampling.map(JSON.string) ?? .null),
            .init("stage", stage.map(JSON.string) ?? .null),
            .init("image_width", number(picture[0])), .init("image_height", number(picture[1])),
            .init("n_patches", number(picture[2])), .init("n_visual", number(picture[3])),
            .init("peak_anonymous", number(memory?.anonymous)), .init("peak_mapped", number(memory?.mapped)),
            .init("integer_macs", .int(Int(work.integer))), .init("float_macs", .int(Int(work.float))),
            .init("read_bytes", .int(Int(work.bytes))),
            .init("limit_integer_macs", .double(limits.integer)),
            .init("limit_float_macs", .double(limits.float)), .init("limit_read_bytes", .double(limits.read)),
            .init("limit_ns", .int(Int(limits.seconds(work) * 1e9))),
            .init("of_limit", .double(limits.seconds(work) / averageSeconds)),
            .init("bound", .string(limits.bound(work))),
        ]
    }

    /// As ISO 8601 writes it, in universal time.
    private static func time(_ seconds: Int) -> String {
        var (moment, parts) = (time_t(seconds), tm())
        gmtime_r(&moment, &parts)
        var text = [CChar](repeating: 0, count: 32)
        let count = strftime(&text, text.count, "%Y-%m-%dT%H:%M:%SZ", &parts)
        return String(decoding: text[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
