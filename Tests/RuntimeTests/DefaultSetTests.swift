import Calibration
import SampleSets
import Storage
import TestSupport
import Testing

/// The calibration set that ships with the program.
@Suite struct DefaultSetTests {
    private static let folder = Fixtures.path("../../Sources/CDefaultSet/set")

    /// A conversation, the name of its file and its line.
    private struct Entry {
        let json: JSON
        let file: String
        let line: Int

        var pictures: [String] {
            (json["messages"]?.array ?? []).flatMap { $0["content"]?.array ?? [] }.compactMap {
                $0["image"]?.string
            }
        }
    }

    private func entries() throws -> [Entry] {
        try SampleSource.find(["default"]).compactMap { source in
            guard case .shipped(let json, let file, let line) = source else { return nil }
            return Entry(json: json, file: Path.name(file), line: line)
        }
    }

    /// What is embedded is what lies in the folder: no conversation missing, no picture unused.
    @Test func everyFileIsEmbedded() throws {
        let entries = try entries()
        let files = try SampleSource.find([Self.folder]).compactMap { source in
            if case .conversation(let json, _, _) = source { json } else { nil }
        }
        #expect(files.count == entries.count && files.count > 80)
        let sorted = entries.sorted { ($0.file, $0.line) < ($1.file, $1.line) }
        #expect(sorted.map(\.json) == files)
        let pictures = try Path.list(Self.folder).filter { !$0.hasSuffix(".jsonl") }
        #expect(Set(entries.flatMap(\.pictures)) == Set(pictures))
        let bytes = try Path.list(Self.folder).reduce(0) {
            try $0 + readFile(Path.join(Self.folder, $1)).count
        }
        #expect(bytes <= 1_000_000)
    }

    /// Conversations of each file come in their order, and every beginning of the set has its share of each.
    @Test(arguments: [4, 10, 30, 60])
    func everyBeginningIsMixed(count: Int) throws {
        let entries = try entries()
        let kinds = Dictionary(grouping: entries, by: \.file)
        #expect(kinds.count == 4)
        for (file, all) in kinds {
            #expect(all.map(\.line) == Array(1...all.count))
            let share = Double(all.count) / Double(entries.count)
            let part = entries.prefix(count).count { $0.file == file }
            #expect(abs(Double(part) - share * Double(count)) <= 1, "\(file)")
        }
    }

    @Test func everyConversationIsAnswered() throws {
        for entry in try entries() {
            let roles = (entry.json["messages"]?.array ?? []).compactMap { $0["role"]?.string }
            let turns = roles.first == "system" ? Array(roles.dropFirst()) : roles
            #expect(!turns.isEmpty && turns.count % 2 == 0, "\(entry.file): \(entry.line)")
            for (index, role) in turns.enumerated() {
                #expect(role == (index % 2 == 0 ? "user" : "assistant"), "\(entry.file): \(entry.line)")
            }
        }
    }
}
