import Storage
import TestSupport
import Testing

@testable import Bundles

@Suite struct ResumeTests {
    let directory: TemporaryDirectory
    let sample: SampleBundle
    var path: String { directory.file("a.tessera") }
    var partial: String { path + ".partial" }
    var journal: String { path + ".partial.journal" }

    init() throws {
        directory = try TemporaryDirectory()
        sample = try SampleBundle()
    }

    /// Writes `count` tensors and half of the next, and goes away in good order, as an interrupted run does.
    private func abandon(after count: Int) throws {
        let writer = try BundleWriter(OutputPath(path, inputs: []), fingerprint: "sample", plan: sample.plan)
        try sample.append(to: writer, until: count)
        if count < sample.plan.count {
            try writer.append(Array(sample.data[count].prefix(sample.data[count].count / 2)), to: count)
        }
    }

    /// Opens the writer again, checks how far it is, finishes, and compares with a run that was never interrupted.
    private func expectResume(at count: Int, fingerprint: JSON = "sample") throws {
        let writer = try BundleWriter(
            OutputPath(path, inputs: []), fingerprint: fingerprint, plan: sample.plan)
        #expect(writer.completed == count)
        try sample.append(to: writer, until: sample.plan.count)
        try writer.finish(
            graph: SampleBundle.graph, metadata: SampleBundle.metadata, tokenizer: SampleBundle.tokenizer)
        let whole = directory.file("whole.tessera")
        try sample.write(to: whole)
        #expect(try readFile(path) == readFile(whole))
        #expect(try Path.list(directory.path) == ["a.tessera", "whole.tessera"])
    }

    private func change(_ path: String, at offset: Int) throws {
        var bytes = try readFile(path)
        bytes[offset] ^= 1
        try putFile(path, bytes)
    }

    @Test(arguments: 0...6) func goesOnWhereItStopped(count: Int) throws {
        try abandon(after: count)
        #expect(!Path.exists(path))
        #expect(try failure { _ = try Bundle(partial) }?.message == "was never finished")
        try expectResume(at: count)
    }

    /// A writer that is killed keeps what the journal says; the journal says nothing that is not on the disk.
    @Test func killedBeforeACheckpointItStartsOver() throws {
        let other = directory.file("b.tessera")
        let writer = try BundleWriter(
            OutputPath(other, inputs: []), fingerprint: "sample", plan: sample.plan)
        try sample.append(to: writer, until: 3)
        try putFile(partial, try readFile(other + ".partial"))
        try putFile(journal, try readFile(other + ".partial.journal"))
        #expect(
            try BundleWriter(OutputPath(path, inputs: []), fingerprint: "sample", plan: sample.plan).completed
                == 0)
    }

    /// What was made of a file that changed is not kept, nor is a bundle finished from it.
    @Test func aChangedSourceIsNoSource() throws {
        let source = directory.file("source")
        try putFile(source, [1, 2, 3])
        let identity = try MappedFile(source).identity
        func write(_ body: (BundleWriter) throws -> Void) throws {
            try body(
                BundleWriter(
                    OutputPath(path, inputs: [source]), fingerprint: "sample", plan: sample.plan,
                    sources: [identity]))
        }
        try write { writer in
            try sample.append(to: writer, until: 2)
            try writer.checkpoint()
            try sample.append(to: writer, until: 4)
            try putFile(source, [1, 2])
            #expect(try failure { try writer.checkpoint() }?.message == "changed while in use")
        }
        #expect(
            try BundleWriter(OutputPath(path, inputs: []), fingerprint: "sample", plan: sample.plan).completed
                == 2)
        try write { writer in
            try sample.append(to: writer, until: 2)
            let failure = try failure {
                try sample.append(to: writer, until: sample.plan.count)
                try writer.finish(graph: .null, metadata: .null, tokenizer: [])
            }
            #expect(failure?.kind == .io && failure?.file == source)
        }
        #expect(!Path.exists(path))
    }

    /// A lock on a journal that its owner has just removed is a lock on nothing.
    @Test func aRemovedJournalIsLockedByNobody() throws {
        let first = try BundleWriter(OutputPath(path, inputs: []), fingerprint: "sample", plan: sample.plan)
        try Path.remove(journal)
        try Path.remove(partial)
        let second = try BundleWriter(OutputPath(path, inputs: []), fingerprint: "sample", plan: sample.plan)
        let third = try failure {
            _ = try BundleWriter(OutputPath(path, inputs: []), fingerprint: "sample", plan: sample.plan)
        }
        #expect(third?.kind == .io)
        withExtendedLifetime((first, second)) {}
    }

    @Test func anotherFingerprintStartsAfresh() throws {
        try abandon(after: 3)
        try expectResume(at: 0, fingerprint: "another recipe")
    }

    @Test func anotherPlanStartsAfresh() throws {
        try abandon(after: 3)
        let first = sample.plan[0]
        let renamed = try TensorDescription(name: "other", shape: first.shape, encoding: first.encoding)
        let writer = try BundleWriter(
            OutputPath(path, inputs: []), fingerprint: "sample", plan: [renamed] + sample.plan.dropFirst())
        #expect(writer.completed == 0)
    }

    @Test func aChangedTensorIsWrittenAgain() throws {
        try abandon(after: 4)
        let layout = try WeightsLayout(sample.plan)
        try change(partial, at: 4096 + layout.ranges[2].lowerBound + 5)
        try expectResume(at: 2)
    }

    @Test func changedPaddingIsWrittenAgain() throws {
        try abandon(after: 4)
        let layout = try WeightsLayout(sample.plan)
        try change(partial, at: 4096 + layout.ranges[0].upperBound)
        try expectResume(at: 1)
    }

    @Test func aShortenedPartialFileCountsAsFarAsItGoes() throws {
        try abandon(after: 4)
        let layout = try WeightsLayout(sample.plan)
        try OutputFile(resuming: partial).truncate(to: 4096 + layout.ranges[2].upperBound - 1)
        try expectResume(at: 2)
    }

    @Test func aMissingPartialFileStartsAfresh() throws {
        try abandon(after: 4)
        try OutputFile(resuming: partial).rename(to: directory.file("a.tessera.gone"))
        let writer = try BundleWriter(OutputPath(path, inputs: []), fingerprint: "sample", plan: sample.plan)
        #expect(writer.completed == 0)
    }

    /// Whatever is cut off or changed in the journal, the result is right; only work is lost. What no longer begins like a
    /// journal is not taken for one.
    @Test func aDamagedJournalNeverDamagesTheBundle() throws {
        try abandon(after: 4)
        let (intactJournal, intactPartial) = (try readFile(journal), try readFile(partial))
        let lineStarts =
            [0] + intactJournal.indices.filter { intactJournal[$0] == UInt8(ascii: "\n") }.map { $0 + 1 }
        for cut in stride(from: 0, through: intactJournal.count, by: 13) {
            try putFile(journal, Array(intactJournal.prefix(cut)))
            try putFile(partial, intactPartial)
            try expect(max(0, lineStarts.count { $0 <= cut } - 2), isJournal: cut >= 18)
        }
        for offset in stride(from: 0, to: intactJournal.count - 1, by: 7) {
            var changed = intactJournal
            changed[offset] ^= 1
            try putFile(journal, changed)
            try putFile(partial, intactPartial)
            try expect(max(0, lineStarts.count { $0 <= offset } - 2), isJournal: offset >= 18)
        }
        try expectResume(at: 3)
    }

    private func expect(_ completed: Int, isJournal: Bool) throws {
        guard isJournal else {
            let refused = try failure {
                _ = try BundleWriter(OutputPath(path, inputs: []), fingerprint: "sample", plan: sample.plan)
            }
            #expect(refused?.kind == .usage)
            return
        }
        let writer = try BundleWriter(OutputPath(path, inputs: []), fingerprint: "sample", plan: sample.plan)
        #expect(writer.completed == completed)
    }
}
