import Storage
import TestSupport
import Testing

/// What `docs/architecture.md` promises about the sources.
@Suite struct ArchitectureTests {
    private static let root = Fixtures.path("../..")
    private static let sources = Path.join(root, "Sources")

    /// The modules of the document's table, lowest first: a module imports only modules before it.
    private static let floors = Result { () throws -> [String] in
        let document = try text(Path.join(root, "docs/architecture.md"))
        let rows = document.split(separator: "\n").filter { $0.hasPrefix("| `") }
        return rows.flatMap { row in
            row.split(separator: "|")[0].split(separator: "`").map(String.init).filter {
                $0.contains(/^[\w*-]+$/)
            }
        }
    }

    private static func text(_ path: String) throws -> String {
        String(decoding: try readFile(path), as: UTF8.self)
    }

    /// The folders below `Sources` but for those of system libraries, and where the module `Formats` lies.
    private static func modules() throws -> [(name: String, folder: String)] {
        let folders = try Path.list(sources).map { ($0, Path.join(sources, $0)) }.filter {
            Path.isDirectory($0.1) && !Path.exists(Path.join($0.1, "module.modulemap"))
        }
        return folders + [("Formats", Path.join(root, "formats"))]
    }

    private func files(_ folder: String) throws -> [(name: String, text: String)] {
        try Path.list(folder).filter { $0.hasSuffix(".swift") }.map {
            ($0, try ArchitectureTests.text(Path.join(folder, $0)))
        }
    }

    /// The number of a module's floor; all commands are on one.
    private func floor(of module: String) throws -> Int? {
        let name = module.hasPrefix("tessera-") ? "tessera-*" : module
        return try ArchitectureTests.floors.get().firstIndex(of: name)
    }

    /// The modules that a source imports, however it says so.
    private func imports(_ text: String) -> [String] {
        let statement =
            /(?:^|;)\s*(?:(?:@\w+(?:\([^)]*\))?|public|package|internal|fileprivate|private)\s+)*import\s+(?:(?:struct|class|enum|protocol|typealias|func|let|var|actor)\s+)?`?(\w+)/
            .anchorsMatchLineEndings()
        return text.matches(of: statement).map { String($0.1) }
    }

    @Test func everyKindOfImportIsSeen() {
        let source = """
            import A
            public import B
            package import C
            internal import D; private import E
            fileprivate import F
            @_spi(Some) import G
            @testable import H
            @preconcurrency public import I
            @_implementationOnly import J
            @_exported import K
            public @_spi(One) @_spi(Two) import L
            @_spi(Some)
            import M
            import struct N.Part
              import func `O`.part
            // import No
            /// as import No does
            let important = "import No"
            #if canImport(No)
            """
        #expect(imports(source) == "ABCDEFGHIJKLMNO".map { String($0) })
    }

    @Test func everyModuleHasItsFloor() throws {
        let floors = try ArchitectureTests.floors.get()
        #expect(Set(floors).count == floors.count)
        let modules = try ArchitectureTests.modules().map {
            $0.name.hasPrefix("tessera-") ? "tessera-*" : $0.name
        }
        #expect(Set(modules) == Set(floors))
    }

    @Test func arrowsOnlyPointDown() throws {
        var arrows = 0
        for (module, folder) in try ArchitectureTests.modules() {
            let own = try #require(try floor(of: module), "\(module) has no floor")
            for file in try files(folder) {
                for other in imports(file.text) {
                    // What has no floor is not ours.
                    guard let floor = try floor(of: other) else { continue }
                    #expect(floor < own, "\(module)/\(file.name) imports \(other)")
                    arrows += 1
                }
            }
        }
        #expect(arrows > 300)
    }

    @Test func foundationStaysOut() throws {
        for (module, folder) in try ArchitectureTests.modules() {
            for file in try files(folder) {
                #expect(!imports(file.text).contains { $0.hasPrefix("Foundation") }, "\(module)/\(file.name)")
            }
        }
    }

    /// Only `Console` sees whether stdout took what was written. A type may have a `print` of its own.
    @Test func nobodyPrintsUnchecked() throws {
        for (module, folder) in try ArchitectureTests.modules() {
            for file in try files(folder) {
                let ownsPrint = file.text.contains("func print(")
                for line in file.text.split(separator: "\n") where !line.contains("//") {
                    let unchecked =
                        line.contains(/\b(Swift\.print|debugPrint|dump|putchar|puts|printf|fputs|fwrite)\(/)
                        || (!ownsPrint && line.contains(/(^|[^.\w])print\(/))
                    #expect(!unchecked, "\(module)/\(file.name): \(line)")
                }
            }
        }
    }

    @Test(arguments: [
        "Storage", "GraphIR", "GroupFormats", "Bundles", "Runtime", "Tessera", "Calibration", "Quantization",
        "Accuracy",
    ])
    func noGenerationIsNamedBelow(module: String) throws {
        let sources = try files(Path.join(ArchitectureTests.sources, module))
        #expect(!sources.isEmpty)
        for file in sources {
            // Comments may give examples; code may not know a model.
            for line in file.text.split(separator: "\n") {
                let code = line.split(separator: "//", maxSplits: 1, omittingEmptySubsequences: false)[0]
                #expect(!code.lowercased().contains("qwen"), "\(module)/\(file.name): \(line)")
            }
        }
    }

    @Test func filesStaySmall() throws {
        var count = 0
        for (module, folder) in try ArchitectureTests.modules() {
            for file in try files(folder) {
                #expect(file.text.count { $0 == "\n" } <= 400, "\(module)/\(file.name)")
                count += 1
            }
        }
        // The other tests here would pass on an empty folder.
        #expect(count > 100)
    }
}
