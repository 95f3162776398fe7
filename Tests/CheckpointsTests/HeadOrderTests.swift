import GroupFormats
import Storage
import TestSupport
import Testing

@testable import Checkpoints

/// Heads that llama.cpp stores member by member come out group by group. Two groups of three: an order that is not its own inverse.
@Suite struct HeadOrderTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// Which published head each stored one is.
    private static let stored = [0, 3, 1, 4, 2, 5]

    private func heads(_ width: Int) -> ValueHeads { ValueHeads(count: 6, keys: 2, width: width) }

    /// Opens a tensor of a file of its own: what was opened before stays as it is.
    private func opened(_ tensor: GGUFBytes.Tensor) throws -> GGUFTensor {
        let path = directory.file("\(try Path.list(directory.path).count).gguf")
        try putFile(path, GGUFBytes([], [tensor]).bytes)
        return try #require(try GGUFFile(path).tensors.first)
    }

    private func weight(
        _ tensor: GGUFBytes.Tensor, _ place: ValueHeads.Place, _ width: Int
    ) throws -> StoredWeight {
        var parts = GGUFParts()
        parts.headed = place
        return try StoredWeight("w", of: [try opened(tensor)], parts, heads: heads(width))
    }

    private func floats(_ weight: StoredWeight, _ rows: Range<Int>) throws -> [Float] {
        let columns = weight.shape.rank > 1 ? weight.shape.extents[1] : 1
        let out = UnsafeMutableBufferPointer<Float>.allocate(capacity: rows.count * columns)
        defer { out.deallocate() }
        try weight.readFloats(rows, columns: columns, into: out)
        return Array(out)
    }

    /// Rows of two columns, numbered; the first three are before the heads.
    @Test func rowsBehindOthers() throws {
        let published = (0..<15).flatMap { [Float($0), -Float($0)] }
        func row(_ row: Int) -> ArraySlice<Float> { published[2 * row..<2 * row + 2] }
        let stored =
            (0..<3).flatMap(row) + Self.stored.flatMap { row(3 + 2 * $0) + row(4 + 2 * $0) }
        let weight = try weight(.init("t", [2, 15], stored), .rows, 2)
        #expect(try floats(weight, 0..<15) == published)
        for first in 0..<15 {
            for end in first + 1...15 {
                #expect(try floats(weight, first..<end) == Array(published[2 * first..<2 * end]))
            }
        }
        #expect(weight.type == .float32 && weight.sources == ["t"])
    }

    @Test func elementsAndColumns() throws {
        let numbers = Self.stored.map(Float.init)
        #expect(try floats(weight(.init("t", [6], numbers), .elements, 9), 0..<6) == [0, 1, 2, 3, 4, 5])
        #expect(try floats(weight(.init("t", [6], numbers), .elements, 9), 2..<4) == [2, 3])
        let halves = Self.stored.flatMap { head in [0, 1, 2].map { Float16(3 * head + $0) } }
        let row = halves + halves.map { $0 + 100 }
        let columns = try weight(
            .init("t", [18, 2], type: 1, row.flatMap { little($0.bitPattern) }), .columns, 3)
        #expect(columns.type == .float16)
        #expect(try floats(columns, 0..<2) == (0..<18).map(Float.init) + (100..<118).map(Float.init))
        #expect(try floats(columns, 1..<2) == (100..<118).map(Float.init))
    }

    /// Rates of decay, whose logarithms are wanted.
    @Test func logarithms() throws {
        var parts = GGUFParts()
        parts.headed = .elements
        parts.isNegativeExponential = true
        func weight(_ values: [Float]) throws -> StoredWeight {
            try StoredWeight("w", of: [opened(.init("t", [6], values))], parts, heads: heads(1))
        }
        let logs = try floats(weight([-1, -8, -2, -16, -4, -32]), 0..<6)
        let expected = [0, 1, 2, 3, 4, 5].map { Float($0) * 0.693_147_2 }
        #expect(zip(logs, expected).allSatisfy { abs($0 - $1) < 1e-6 })
        for bad in [0, -0.0, 1, .nan, -.infinity] as [Float] {
            let failure = #expect(throws: Failure.self) {
                try floats(weight([-1, -1, -1, -1, -1, bad]), 0..<6)
            }
            #expect(failure?.kind == .badInput && failure?.place == "tensor 't'")
        }
    }

    /// Blocks of 32 codes move with heads of 32 columns, in rows and in columns, also into tiles.
    @Test(arguments: [ValueHeads.Place.rows, .columns])
    func blocksMoveWithTheirHeads(place: ValueHeads.Place) throws {
        let plain = Self.blocks(rows: 192, perRow: 6)
        let moved = Self.moved(plain, place)
        let published = try weight(
            .init("t", [192, 192], type: 8, moved.flatMap { $0.flatMap(\.self) }), place, 32)
        let reference = try StoredWeight(
            "w", of: [opened(.init("t", [192, 192], type: 8, plain.flatMap { $0.flatMap(\.self) }))])
        #expect(try floats(published, 0..<192) == floats(reference, 0..<192))
        #expect(try floats(published, 37..<101) == floats(reference, 37..<101))
        #expect(try tiles(published, 16..<96) == tiles(reference, 16..<96))
    }

    /// Heads that share blocks are put in order as floats.
    @Test func headsThatShareBlocks() throws {
        let plain = Self.blocks(rows: 2, perRow: 3)
        let bytes = plain.flatMap { $0.flatMap(\.self) }
        let tensor = GGUFBytes.Tensor("t", [96, 2], type: 8, bytes)
        let weight = try weight(tensor, .columns, 16)
        let stored = try floats(StoredWeight("w", of: [opened(tensor)]), 0..<2)
        var expected = stored
        for row in 0..<2 {
            for (from, head) in Self.stored.enumerated() {
                for column in 0..<16 {
                    expected[96 * row + 16 * head + column] = stored[96 * row + 16 * from + column]
                }
            }
        }
        #expect(try floats(weight, 0..<2) == expected)
        #expect(try floats(weight, 1..<2) == Array(expected[96...]))
        guard case .derived(let derived) = weight.form else { return #expect(Bool(false)) }
        #expect(derived.published?.form == .floats(because: "its columns are of heads that share blocks"))
    }

    @Test func tensorsWithoutRoom() throws {
        for (extents, place, width) in [
            ([2, 11], .rows, 2), ([11, 2], .columns, 2), ([13, 2], .columns, 2), ([7], .elements, 1),
            ([5], .elements, 1), ([12], .rows, 2), ([12], .columns, 2), ([1, 1, 6], .elements, 1),
            ([2, 12], .rows, .max),
        ] as [([UInt64], ValueHeads.Place, Int)] {
            let count = extents.reduce(1, *)
            let failure = #expect(throws: Failure.self) {
                try weight(.init("t", extents, [Float](repeating: 0, count: Int(count))), place, width)
            }
            #expect(failure?.kind == .badInput && failure?.place == "tensor 't'", "\(extents) \(place)")
        }
        let vector = GGUFBytes.Tensor("t", [32], type: 8, Self.blocks(rows: 1, perRow: 1)[0][0])
        let failure = #expect(throws: Failure.self) { try StoredWeight("w", of: [opened(vector)]) }
        #expect(failure?.message.contains("is a vector of Q8_0 blocks") == true)
    }

    /// Blocks of Q8_0, row by row.
    private static func blocks(rows: Int, perRow: Int) -> [[[UInt8]]] {
        (0..<rows).map { row in
            (0..<perRow).map { block in
                let scale = Float16(Float(1 + (row * perRow + block) % 31) / 1024)
                return little(scale.bitPattern)
                    + (0..<32).map { UInt8(truncatingIfNeeded: row &* 7 &+ block &* 61 &+ $0 &* 13) }
            }
        }
    }

    /// Six heads of 32 rows, or of a block of each row, as they are stored.
    private static func moved(_ blocks: [[[UInt8]]], _ place: ValueHeads.Place) -> [[[UInt8]]] {
        place == .rows
            ? stored.flatMap { blocks[32 * $0..<32 * $0 + 32] } : blocks.map { row in stored.map { row[$0] } }
    }

    private func tiles(_ weight: StoredWeight, _ rows: Range<Int>) throws -> [UInt8] {
        guard case .derived(let derived) = weight.form, case .exact(let encoding)? = derived.published?.form,
            let geometry = Shape.matrix(rows.count, 192).flatMap({ PublishedGeometry(encoding, $0) })
        else {
            Issue.record("has no codes")
            return []
        }
        var tiles = [UInt8](repeating: 0xAA, count: geometry.byteCount)
        let written = tiles.withUnsafeMutableBytes { buffer in
            Result { () throws(Failure) in try derived.writeTiles(rows, into: buffer) }
        }
        try written.get()
        return tiles
    }
}
