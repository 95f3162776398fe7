import SampleSets
import Storage
import TestSupport
import Testing

/// The sets that ship with the program.
@Suite struct DefaultSetTests {
    @Test func theirWordsStandForThem() throws {
        let both = try DefaultSet.calibration.conversations() + DefaultSet.evaluation.conversations()
        #expect(try SampleSource.find(["default", "evaluation"]) == both)
    }

    /// What is embedded is what lies in the folder: no conversation missing, no picture unused or another.
    @Test(arguments: [(DefaultSet.calibration, 1_000_000), (.evaluation, 450_000)])
    func everyFileIsEmbedded(set: DefaultSet, limit: Int) throws {
        let shipped = try ShippedSet(set)
        let files = try SampleSource.find([shipped.folder]).compactMap { source in
            if case .conversation(let json, _, _) = source { json } else { nil }
        }
        #expect(files.count == shipped.entries.count && files.count > 80)
        let sorted = shipped.entries.sorted { ($0.file, $0.line) < ($1.file, $1.line) }
        #expect(sorted.map(\.json) == files)
        let pictures = try shipped.pictures
        #expect(Set(shipped.entries.flatMap(\.pictures)) == Set(pictures))
        for name in pictures {
            #expect(try Array(set.bytes(name)) == readFile(Path.join(shipped.folder, name)), "\(name)")
        }
        let bytes = try Path.list(shipped.folder).reduce(0) {
            try $0 + readFile(Path.join(shipped.folder, $1)).count
        }
        #expect(bytes <= limit)
    }

    /// Conversations of each file come in their order, and every beginning of the set has its share of each.
    @Test(arguments: [(DefaultSet.calibration, 4), (.evaluation, 7)], [4, 10, 30, 60])
    func everyBeginningIsMixed(set: (of: DefaultSet, files: Int), count: Int) throws {
        let entries = try ShippedSet(set.of).entries
        let kinds = Dictionary(grouping: entries, by: \.file)
        #expect(kinds.count == set.files)
        for (file, all) in kinds {
            #expect(all.map(\.line) == Array(1...all.count))
            let share = Double(all.count) / Double(entries.count)
            let part = entries.prefix(count).count { $0.file == file }
            #expect(abs(Double(part) - share * Double(count)) <= 1, "\(file)")
        }
    }

    /// In the calibration set always, in the evaluation set unless an answer or places are expected.
    @Test(arguments: [DefaultSet.calibration, .evaluation])
    func everyConversationIsAnswered(set: DefaultSet) throws {
        for entry in try ShippedSet(set).entries {
            let place: Comment = "\(entry.file): \(entry.line)"
            let turns = entry.roles.first == "system" ? Array(entry.roles.dropFirst()) : entry.roles
            let asks = ["expected", "expected_boxes"].filter { entry.json[$0] != nil }
            #expect(asks.count <= (set == .evaluation ? 1 : 0), place)
            #expect(!turns.isEmpty && turns.count % 2 == asks.count, place)
            for (index, role) in turns.enumerated() {
                #expect(role == (index % 2 == 0 ? "user" : "assistant"), place)
            }
            #expect(entry.texts.count >= entry.messages.count && !entry.texts.contains(""), place)
        }
    }
}
