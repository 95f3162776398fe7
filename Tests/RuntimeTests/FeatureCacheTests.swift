import Prompts
import Runtime
import Storage
import TestSupport
import Testing

@testable import Tessera

/// A picture that is asked about again is not encoded again, and nobody can tell by the answer.
@Suite(.serialized) struct FeatureCacheTests {
    private let directory: TemporaryDirectory
    private let options = Session.Options(sampling: .init(), maximumTokens: 6)

    init() throws { directory = try TemporaryDirectory() }

    private func demo() throws -> Model { try Model(Bundled.demo.get(), .init(threads: 2)) }

    private func picture(_ model: Model, _ number: Int) throws -> Patches {
        try model.picture(Fixtures.path("demo-pictures/scene_\(number).png"))
    }

    /// What a model keeps of a question about a picture.
    private func trace(_ model: Model, _ picture: Patches) throws -> [[UInt8]] {
        let session = try Session(model, capacity: 128)
        _ = try session.answer([.image(picture), .text("What?")], options: options)
        return try session.context.cache.withStored { (parts) throws(Failure) in parts.map(Array.init) }
    }

    @Test func theLastAreKeptWithinTheirBound() throws {
        let model = try demo()
        let keys = try (0..<3).map { try FeatureKey(picture(model, $0), model) }
        let rows = Engine.Rows(values: [Float](repeating: 1, count: 8), columns: 2)
        var encoded: [Int] = []
        func ask(_ number: Int, _ cache: inout FeatureCache) throws {
            _ = try cache.rows(keys[number]) { () throws(Failure) in
                encoded.append(number)
                return rows
            }
        }
        var cache = FeatureCache(limit: 64)
        for number in [0, 1, 0, 1, 0, 2, 0, 1] { try ask(number, &cache) }
        // Two have room, and the last used stay.
        #expect(encoded == [0, 1, 2, 1])
        cache.limit = 0
        encoded = []
        for number in [1, 1] { try ask(number, &cache) }
        #expect(encoded == [1, 1])
    }

    @Test func gridsAndModelsTellPicturesApart() throws {
        let model = try demo()
        let patches = try picture(model, 0)
        let other = Patches(values: patches.values, grid: PatchGrid(t: 1, h: 1, w: 1))
        let int8 = try Model(Bundled.demoInt8.get(), .init(threads: 2))
        let keys = try [
            FeatureKey(patches, model), FeatureKey(picture(model, 1), model), FeatureKey(other, model),
            FeatureKey(patches, int8),
        ]
        #expect(Set(keys.map(\.digest)).count == 4)
        #expect(try FeatureKey(patches, demo()).digest == keys[0].digest)
    }

    @Test func answersAreTheSame() throws {
        let (model, plain) = (try demo(), try demo())
        plain.features.limit = 0
        for number in [0, 1, 0, 1] {
            let picture = try picture(model, number)
            #expect(try trace(model, picture) == trace(plain, picture))
        }
    }

    private func files(_ folder: String) throws -> [String] {
        try Path.list(folder).map { Path.join(folder, $0) }
    }

    /// Of what lies in the folder, only what is whole and of this picture and model is used.
    @Test func filesAreUsedAndNotBelieved() throws {
        let (model, plain) = (try demo(), try demo())
        let folder = directory.file("features")
        var said: [Failure] = []
        model.features = FeatureCache(limit: 0, folder: try FeatureFolder(folder) { said.append($0) })
        let (first, second) = (try picture(model, 0), try picture(model, 2))
        let expected = try trace(plain, first)
        #expect(try trace(model, first) == expected)
        let path = try #require(try files(folder).first)
        let whole = try readFile(path)
        #expect(try trace(model, first) == expected && said.isEmpty)

        // Rows that somebody made: what is there is what is used.
        let rows = try plain.encode(first)
        let other = Engine.Rows(values: rows.values.map { -$0 }, columns: rows.columns)
        let key = try FeatureKey(first, model)
        model.features.folder?.store(other, key)
        #expect(try trace(model, first) != expected && said.isEmpty)

        // Another picture's, damaged ones, none at all.
        _ = try trace(model, second)
        let another = try #require(try files(folder).first { $0 != path })
        var damaged = whole
        damaged[whole.count - 1] ^= 1
        for bytes in [
            try readFile(another), damaged, Array(whole.dropLast()), whole + [0], [],
            Array(whole.prefix(127)),
        ] {
            said = []
            try putFile(path, bytes)
            #expect(try trace(model, first) == expected)
            #expect(said.count == 1 && said[0].kind == .badInput && said[0].file == path)
            // It was made anew.
            #expect(try readFile(path) == whole)
        }
        try Path.remove(path)
        try makeDirectory(path)
        said = []
        #expect(try trace(model, first) == expected)
        #expect(said.count == 2)
    }

    @Test func aFolderStaysWithinItsBound() throws {
        let model = try demo()
        let folder = directory.file("features")
        model.features = FeatureCache(limit: 0, folder: try FeatureFolder(folder))
        _ = try trace(model, picture(model, 0))
        let size = try readFile(#require(try files(folder).first)).count
        try writeFile(Path.join(folder, "notes.txt"), Array("somebody's".utf8))
        var bound = try FeatureFolder(folder, limit: 2 * size)
        for number in 1..<4 {
            model.features = FeatureCache(limit: 0, folder: bound)
            _ = try trace(model, picture(model, number))
            let sizes = try files(folder).filter { !$0.hasSuffix(".txt") }.map { try readFile($0).count }
            #expect(!sizes.isEmpty && sizes.reduce(0, +) <= 2 * size)
        }
        #expect(try files(folder).contains { $0.hasSuffix("notes.txt") })
        bound = try FeatureFolder(directory.file("small"), limit: 10)
        model.features = FeatureCache(limit: 0, folder: bound)
        _ = try trace(model, picture(model, 0))
        #expect(try files(directory.file("small")).isEmpty)
    }
}
