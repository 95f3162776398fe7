import Glibc
import GroupFormats
import Storage
import TestSupport
import Testing

@testable import Bundles

/// Bytes that are placed before it is their turn, and syncs in the background.
@Suite struct PlacedBytesTests {
    let directory: TemporaryDirectory
    let sample: SampleBundle
    var path: String { directory.file("a.tessera") }
    var journal: String { path + ".partial.journal" }

    init() throws {
        directory = try TemporaryDirectory()
        sample = try SampleBundle()
    }

    private func writer(_ plan: [TensorDescription], at path: String) throws -> BundleWriter {
        try BundleWriter(OutputPath(path, inputs: []), fingerprint: "sample", plan: plan)
    }

    /// Placed from the last byte to the first, then accepted in order, the file is the same.
    @Test func theOrderOfPlacingDoesNotShow() throws {
        let writer = try writer(sample.plan, at: path)
        let pieces = sample.data.indices.flatMap { index in
            stride(from: 0, to: sample.data[index].count, by: 100).map { (index: index, start: $0) }
        }
        func lend(
            _ piece: (index: Int, start: Int), _ body: (UnsafeRawBufferPointer) throws -> Void
        ) throws {
            try sample.data[piece.index].dropFirst(piece.start).prefix(100).withUnsafeBytes(body)
        }
        for piece in pieces.reversed() {
            try lend(piece) { try writer.place($0, of: piece.index, at: piece.start) }
        }
        #expect(writer.completed == 0)
        for piece in pieces { try lend(piece) { try writer.accept($0, of: piece.index) } }
        try writer.finish(
            graph: SampleBundle.graph, metadata: SampleBundle.metadata, tokenizer: SampleBundle.tokenizer)
        let whole = directory.file("whole.tessera")
        try sample.write(to: whole)
        #expect(try readFile(path) == readFile(whole))
    }

    @Test func bytesBeyondATensorAreRefused() throws {
        let writer = try writer(sample.plan, at: path)
        let count = sample.data[2].count
        try sample.data[2].withUnsafeBytes { bytes in
            #expect(try failure { try writer.place(bytes, of: 2, at: 1) }?.kind == .mismatch)
            #expect(try failure { try writer.accept(bytes, of: 2) }?.kind == .mismatch)
            try writer.place(bytes, of: 2, at: count - bytes.count)
        }
    }

    /// What was placed and not accepted is not kept.
    @Test func placedBytesDoNotCount() throws {
        do {
            let writer = try writer(sample.plan, at: path)
            try sample.append(to: writer, until: 2)
            try sample.data[4].withUnsafeBytes { try writer.place($0, of: 4, at: 0) }
        }
        let writer = try writer(sample.plan, at: path)
        #expect(writer.completed == 2)
    }

    /// Behind a large tensor a sync begins, and the journal tells of it while others are written: killed then, it is kept.
    @Test func aLargeTensorIsKeptWhileOthersAreWritten() throws {
        let large = try #require(Shape(checking: [65 << 18]))
        let one = try #require(Shape(checking: [1]))
        let plan = try (0...500).map { index in
            try TensorDescription(
                name: "\(index)", shape: index == 0 ? large : one, encoding: .float(.float32), sources: [])
        }
        let writer = try writer(plan, at: path)
        let heading = try readFile(journal).count
        try writer.append([UInt8](repeating: 0, count: large.count * 4), to: 0)
        var next = 1
        while try readFile(journal).count == heading, next < plan.count {
            usleep(20_000)
            try writer.append([0, 0, 0, 0], to: next)
            next += 1
        }
        let killed = directory.file("killed.tessera")
        for suffix in [".partial", ".partial.journal"] {
            try putFile(killed + suffix, try readFile(path + suffix))
        }
        let resumed = try self.writer(plan, at: killed).completed
        #expect(resumed >= 1 && resumed <= next)
    }
}
