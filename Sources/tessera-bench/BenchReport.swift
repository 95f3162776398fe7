import ArgumentParser
import Bundles
import CKernels
import CommandSupport
import GroupFormats
import Runtime
import Storage
import Tessera

/// How results are written.
enum OutputForm: String, CaseIterable, ExpressibleByArgument {
    case md, json, jsonl, csv
}

/// What is the same for all rows of a number of threads.
struct BenchSetting {
    let model: Model
    /// Seconds from nothing to a model that can be run.
    let load: Double
    let limits: MachineLimits

    /// Measures the limits of the model's threads.
    init(_ model: Model, load: Double) {
        (self.model, self.load) = (model, load)
        limits = MachineLimits(model.engine.pool)
    }

    private var bundle: Bundle { model.bundle }

    private var byteCount: Int { bundle.tensors.reduce(0) { $0 + $1.byteCount } }

    private func general(_ key: String) -> JSON? {
        let metadata = try? bundle.metadata
        return metadata?["general"]?[key]
    }

    private var parameters: Int { general("parameter_count")?.int ?? 0 }

    /// The generation, and what most bytes of the weights are stored as.
    private var type: String {
        let bytes = Dictionary(bundle.tensors.map { ("\($0.encoding)", $0.byteCount) }, uniquingKeysWith: +)
        let most = bytes.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key ?? ""
        return "\(general("architecture")?.string ?? "unknown") \(most)"
    }

    /// The fields of a row, those that llama-bench has first and by its names.
    func fields(_ row: BenchRow) -> [JSON.Member] {
        let (engine, cache) = (model.engine, model.engine.options.cachePrecision.rawValue)
        let common: [JSON.Member] = [
            .init("cpu_info", .string(Machine.processorName ?? "")), .init("backends", "CPU"),
            .init("isa", .string(String(cString: tsr_isa_name(tsr_isa_in_use())))),
            .init("model_filename", .string(bundle.path)), .init("model_type", .string(type)),
            .init("model_size", .int(byteCount)), .init("model_n_params", .int(parameters)),
            .init("n_batch", .int(engine.options.chunk)), .init("n_ubatch", .int(engine.options.chunk)),
            .init("n_threads", .int(engine.options.threads)),
            .init("type_k", .string(cache)), .init("type_v", .string(cache)),
        ]
        return common + row.figures + [.init("load_ns", .int(Int(load * 1e9)))] + row.ownFigures(limits)
    }

    static let columns = [
        "model", "size", "params", "threads", "test", "t/s", "ms", "of limit", "peak anonymous",
        "peak mapped",
    ]

    func cells(_ row: BenchRow) -> [String] {
        let share = 100 * limits.seconds(row.work) / row.averageSeconds
        return [
            type, ByteCount.text(byteCount), "\(fixed(Double(parameters) * 1e-9, 2)) B",
            "\(model.engine.options.threads)", row.name, row.rateText, fixed(row.averageSeconds * 1e3, 1),
            "\(fixed(share, 0)) % \(limits.bound(row.work))",
            row.memory.map { ByteCount.text($0.anonymous) } ?? "",
            row.memory.map { ByteCount.text($0.mapped) } ?? "",
        ]
    }

    /// What a table has no column for.
    var note: String {
        "\(model.engine.options.threads) threads: loaded in \(fixed(load * 1e3, 1)) ms; limits: \(limits.text)"
    }
}

/// Writes rows in the form that was asked for: line by line as they come, where the form allows it.
struct BenchReport {
    private let form: OutputForm
    private var rows: [[JSON.Member]] = []
    private var cells: [[String]] = []
    private var notes: [String] = []

    init(_ form: OutputForm) { self.form = form }

    mutating func begin(_ setting: BenchSetting) { notes.append(setting.note) }

    mutating func add(_ row: BenchRow, _ setting: BenchSetting) {
        let fields = setting.fields(row)
        switch form {
        case .md: cells.append(setting.cells(row))
        case .json: rows.append(fields)
        case .jsonl: Console.print(JSON.object(fields).serialized())
        case .csv:
            // Lists have no place in a cell.
            let single = fields.filter { $0.value.array == nil }
            if rows.isEmpty { Console.print(single.map(\.key).joined(separator: ",")) }
            Console.print(single.map { Self.quoted($0.value) }.joined(separator: ","))
            rows.append([])
        }
    }

    /// Writes what waits for the last row.
    func finish() {
        switch form {
        case .md: Console.print(([Self.markdown(cells), ""] + notes).joined(separator: "\n"))
        case .json: Console.print(JSON.array(rows.map(JSON.object)).serialized(pretty: true))
        case .jsonl, .csv: break
        }
    }

    private static func quoted(_ value: JSON) -> String {
        let text = value == .null ? "" : value.string ?? value.serialized()
        return "\"\(text.replacing("\"", with: "\"\""))\""
    }

    /// A table of Markdown in aligned columns, numbers to the right.
    private static func markdown(_ cells: [[String]]) -> String {
        let all = [BenchSetting.columns] + cells
        let widths = BenchSetting.columns.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        func line(_ row: [String]) -> String {
            let padded = row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                return column == 0 ? cell + padding : padding + cell
            }
            return "| " + padded.joined(separator: " | ") + " |"
        }
        let rule = widths.enumerated().map { column, width in
            String(repeating: "-", count: width + 1) + (column == 0 ? "-" : ":")
        }
        let lines = [line(all[0]), "|" + rule.joined(separator: "|") + "|"] + cells.map(line)
        return lines.joined(separator: "\n")
    }
}
