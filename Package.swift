// swift-tools-version: 6.2
import PackageDescription

/// Every Swift target is held to this: data races and warnings are errors, existentials are spelled out.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// C is built optimised in debug builds too: unoptimised kernels are some fifty times slower.
let optimised: [CSetting] = [.unsafeFlags(["-O3", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function"])]

/// `make fuzz` alone builds its program, which is linked with libFuzzer.
let isFuzzing = Context.environment["TESSERA_FUZZ"] != nil

/// The kernels compute with what was read and checked: not fuzzed, they are built fast.
let kernels: [CSetting] = isFuzzing ? [.unsafeFlags(["-O0", "-fno-sanitize=all"])] : optimised

func library(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tool(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(
        name: name,
        dependencies: dependencies + [
            "CommandSupport", .product(name: "ArgumentParser", package: "swift-argument-parser"),
        ],
        swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(
        name: name, dependencies: dependencies + ["TestSupport"], path: "Tests/\(name)", exclude: exclude,
        swiftSettings: strict)
}

/// The generations of models; each has a name table in `formats`, a type in `Generations`, and a command.
let generations = ["qwen-vl", "qwen2-vl", "qwen2.5-vl", "qwen3-vl", "qwen3.5"]

let package = Package(
    name: "Tessera",
    products: [.library(name: "Tessera", targets: ["Tessera"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0")
    ],
    targets: [
        // System libraries.
        .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "CJSON", pkgConfig: "json-c", providers: [.apt(["libjson-c-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(
            name: "CTurboJPEG", pkgConfig: "libturbojpeg", providers: [.apt(["libturbojpeg0-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
        .systemLibrary(name: "CWebP", pkgConfig: "libwebp", providers: [.apt(["libwebp-dev"])]),
        .systemLibrary(name: "CWebPDemux", pkgConfig: "libwebpdemux", providers: [.apt(["libwebp-dev"])]),
        .systemLibrary(name: "CTIFF", pkgConfig: "libtiff-4", providers: [.apt(["libtiff-dev"])]),
        .systemLibrary(name: "CHEIF", pkgConfig: "libheif", providers: [.apt(["libheif-dev"])]),

        // C.
        .target(name: "CKernels", cSettings: kernels),
        .target(name: "CMappedFiles", cSettings: optimised),
        .target(
            name: "CImageCodecs",
            dependencies: ["CHEIF", "CPNG", "CTIFF", "CTurboJPEG", "CWebP", "CWebPDemux", "CZlib"],
            cSettings: optimised,
            // By name: pkg-config asks for a definition that the package manager does not allow.
            linkerSettings: [.linkedLibrary("avif")]),

        // Files that the program carries: a calibration set, an evaluation set, and the contracts.
        .target(
            name: "CDefaultSet", exclude: ["evaluation", "set"],
            cSettings: [.unsafeFlags(["-std=c23", "-Wall", "-Wextra", "-Werror"])]),
        .target(
            name: "Formats", path: "formats",
            exclude: [
                "bundle.md", "calibration.md", "calibration-data.md", "graph.md", "graph.schema.json",
                "adapters.md", "diff.md", "evaluation-data.md", "features.md", "manifest.md", "prompt.md",
                "prompt.schema.json", "recipe.md", "session.md", "settings.md",
            ],
            resources: [
                "class-defaults.json", "gguf.json", "chat-templates", "checkpoints", "recipes", "settings",
            ]
            .map { .embedInCode($0) } + generations.map { .embedInCode("\($0).json") },
            swiftSettings: strict),

        // The floors, lowest first: a target imports only what stands above it.
        library("Storage", ["CJSON", "CMappedFiles", "COpenSSL", "CZlib", "CZstd"]),
        library("Threads", ["CKernels", "Storage"]),
        library("GroupFormats", ["CKernels", "Storage"]),
        library("Checkpoints", ["CKernels", "GroupFormats", "Storage"]),
        library("GraphIR", ["Storage"]),
        library("Jinja", ["Storage"]),
        library("Bundles", ["GraphIR", "GroupFormats", "Storage"]),
        library(
            "Generations",
            ["Bundles", "Checkpoints", "Formats", "GraphIR", "GroupFormats", "Prompts", "Storage"]),
        library("Prompts", ["CImageCodecs", "Formats", "Jinja", "Storage"]),
        library("Runtime", ["Bundles", "CKernels", "GraphIR", "GroupFormats", "Storage", "Threads"]),
        library("FloatProducts", ["COpenBLAS", "Runtime"]),
        library("Tessera", ["Bundles", "GraphIR", "Prompts", "Runtime", "Storage"]),
        library(
            "SampleSets",
            ["Bundles", "CDefaultSet", "GraphIR", "Prompts", "Runtime", "Storage", "Tessera"]),
        library(
            "Accuracy",
            [
                "Bundles", "CKernels", "Checkpoints", "GraphIR", "GroupFormats", "Prompts", "Runtime",
                "SampleSets", "Storage", "Tessera", "Threads",
            ]),
        library(
            "Calibration",
            [
                "Accuracy", "Bundles", "CKernels", "COpenBLAS", "Checkpoints", "GraphIR", "GroupFormats",
                "Prompts", "Runtime", "SampleSets", "Storage", "Tessera", "Threads",
            ]),
        library(
            "Quantization",
            [
                "Bundles", "CKernels", "COpenBLAS", "Calibration", "Formats", "GraphIR", "GroupFormats",
                "Runtime", "SampleSets", "Storage", "Threads",
            ]),

        .target(
            name: "DiffReports", dependencies: ["Storage"],
            resources: [.embedInCode("report.css"), .embedInCode("report.js")], swiftSettings: strict),

        // The commands.
        .target(
            name: "CommandSupport",
            dependencies: [
                "Bundles", "Storage", "Threads",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),
        .target(
            name: "BundleCommands",
            dependencies: [
                "Accuracy", "Bundles", "Calibration", "Checkpoints", "CommandSupport", "FloatProducts",
                "Generations", "GraphIR", "GroupFormats", "Prompts", "Quantization", "Runtime", "Storage",
                "Threads",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),
        tool(
            "tessera-calibrate",
            [
                "Bundles", "Calibration", "FloatProducts", "Prompts", "Runtime", "SampleSets", "Storage",
                "Tessera", "Threads",
            ]),
        tool(
            "tessera-quantize",
            [
                "BundleCommands", "Bundles", "Calibration", "FloatProducts", "GraphIR", "GroupFormats",
                "Prompts", "Quantization", "Runtime", "Storage",
            ]),
        tool("tessera-run", ["Bundles", "Prompts", "Runtime", "Storage", "Tessera", "Threads"]),
        tool(
            "tessera-diff",
            [
                "Accuracy", "BundleCommands", "Bundles", "DiffReports", "FloatProducts", "GroupFormats",
                "Prompts", "Runtime", "SampleSets",
                "Storage", "Tessera", "Threads",
            ]),
        tool(
            "tessera-inspect",
            [
                "BundleCommands", "Bundles", "Checkpoints", "Generations", "GraphIR", "GroupFormats",
                "Prompts",
                "Runtime", "Storage", "Tessera", "Threads",
            ]),
        tool(
            "tessera-bench",
            [
                "BundleCommands", "Bundles", "CKernels", "Checkpoints", "Generations", "GraphIR",
                "GroupFormats",
                "Prompts", "Quantization", "Runtime", "Storage", "Tessera", "Threads",
            ]),

        // Tests.
        .target(
            name: "TestSupport", dependencies: ["Storage"], path: "Tests/TestSupport", swiftSettings: strict),
        tests("StorageTests", ["Storage"]),
        tests("JinjaTests", ["Jinja", "Storage"]),
        tests("CheckpointsTests", ["CKernels", "Checkpoints", "GroupFormats", "Storage"]),
        tests("GraphIRTests", ["GraphIR", "Storage"]),
        tests("CKernelsTests", ["CKernels"], exclude: ["checks"]),
        tests("GroupFormatsTests", ["CKernels", "GroupFormats", "Storage"]),
        tests("BundlesTests", ["Bundles", "GraphIR", "GroupFormats", "Storage"]),
        tests("PromptsTests", ["CImageCodecs", "Checkpoints", "Prompts", "Storage"]),
        tests(
            "GenerationsTests",
            [
                "BundleCommands", "Bundles", "Checkpoints", "Formats", "Generations", "GraphIR",
                "GroupFormats", "Prompts", "Quantization", "Storage",
            ]),
        tests(
            "RuntimeTests",
            [
                "Accuracy", "BundleCommands", "Bundles", "CKernels", "Calibration", "Checkpoints",
                "FloatProducts", "Generations", "GraphIR", "GroupFormats", "Prompts", "Quantization",
                "Runtime", "SampleSets", "Storage", "Tessera", "Threads",
            ]),
        tests(
            "QuantizationTests",
            [
                "Bundles", "CKernels", "Calibration", "Generations", "GraphIR", "GroupFormats",
                "Quantization", "Storage", "Threads",
            ]),
        tests("DiffReportsTests", ["DiffReports", "Storage"]),
        tests("AccuracyTests", ["Accuracy", "GroupFormats", "Prompts", "Storage", "Threads"]),
        tests("CommandTests", ["Bundles", "Checkpoints", "Formats", "Generations", "Storage", "Threads"]),
    ]
)

package.targets += generations.map { tool("tessera-from-\($0)", ["BundleCommands", "Generations"]) }
package.products += package.targets.filter { $0.type == .executable }.map {
    .executable(name: $0.name, targets: [$0.name])
}

if isFuzzing {
    package.targets += [
        .executableTarget(
            name: "tessera-fuzz",
            dependencies: [
                "Bundles", "Calibration", "Checkpoints", "Formats", "Generations", "GraphIR",
                "GroupFormats", "Jinja", "Prompts", "Quantization", "SampleSets", "Storage", "Tessera",
                "TestSupport",
            ],
            path: "Tests/Fuzz", exclude: ["run.sh"], swiftSettings: strict)
    ]
}

/// For a sanitizer that one suite is run with: that suite and what it needs, instead of everything.
if let suite = Context.environment["TESSERA_SUITE"] {
    var needed: Set<String> = []
    var due = [suite]
    while let name = due.popLast() {
        guard needed.insert(name).inserted, let target = package.targets.first(where: { $0.name == name })
        else { continue }
        for case .byNameItem(let dependency, _) in target.dependencies { due.append(dependency) }
    }
    package.targets.removeAll { !needed.contains($0.name) }
    package.products = []
    package.dependencies = []
}
