import Storage
import TestSupport
import Testing

/// What `docs/architecture.md` promises about the sources.
@Suite struct ArchitectureTests {
    /// Lowest first; a module imports only modules before it.
    private static let floors = [
        "CKernels", "CImageCodecs", "CDefaultSet", "CMappedFiles", "Formats", "Storage", "Threads",
        "GroupFormats",
        "Checkpoints", "GraphIR",
        "Bundles",
        "Prompts",
        "Generations", "Runtime", "FloatProducts", "Tessera", "Accuracy", "Calibration", "Quantization",
        "CommandSupport",
        "BundleCommands",
    ]

    private static let sources = Fixtures.path("../../Sources")

    private func files(_ module: String) throws -> [(name: String, text: String)] {
        let folder = Path.join(ArchitectureTests.sources, module)
        return try Path.list(folder).filter { $0.hasSuffix(".swift") }.map {
            ($0, String(decoding: try readFile(Path.join(folder, $0)), as: UTF8.self))
        }
    }

    @Test func arrowsOnlyPointDown() throws {
        for (floor, module) in ArchitectureTests.floors.enumerated()
        where Path.isDirectory(
            Path.join(ArchitectureTests.sources, module))
        {
            for file in try files(module) {
                for match in file.text.matches(of: /(?m)^(?:public |internal )?import (\w+)/) {
                    guard let other = ArchitectureTests.floors.firstIndex(of: String(match.1)) else {
                        continue
                    }
                    #expect(other < floor, "\(module)/\(file.name) imports \(match.1)")
                }
            }
        }
    }

    @Test func foundationStaysOut() throws {
        for module in ArchitectureTests.floors
        where Path.isDirectory(Path.join(ArchitectureTests.sources, module)) {
            for file in try files(module) {
                #expect(!file.text.contains("import Foundation"), "\(module)/\(file.name)")
            }
        }
    }

    /// Only `Console` sees whether stdout took what was written. A type may have a `print` of its own.
    @Test func nobodyPrintsUnchecked() throws {
        for module in try Path.list(ArchitectureTests.sources)
        where Path.isDirectory(Path.join(ArchitectureTests.sources, module)) {
            for file in try files(module) {
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
        for file in try files(module) {
            // Comments may give examples; code may not know a model.
            let code = file.text.split(separator: "\n").filter { !$0.contains("///") && !$0.contains("//") }
            for line in code {
                #expect(!line.lowercased().contains("qwen"), "\(module)/\(file.name): \(line)")
            }
        }
    }

    @Test func filesStaySmall() throws {
        var count = 0
        for module in try Path.list(ArchitectureTests.sources)
        where Path.isDirectory(Path.join(ArchitectureTests.sources, module)) {
            for file in try files(module) {
                #expect(file.text.count { $0 == "\n" } <= 400, "\(module)/\(file.name)")
                count += 1
            }
        }
        // The other tests here would pass on an empty folder.
        #expect(count > 100)
    }
}
