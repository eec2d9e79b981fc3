// swift-tools-version: 6.2
import PackageDescription

// Apus is built for the machine that builds it: the kernels are plain Swift loops that the compiler vectorises for the
// CPU named here. `APUS_CPU=x86-64-v3 swift build -c release` (or -v4) makes a binary for other machines;
// `apus doctor` compares what was built with what it runs on.
let cpu = Context.environment["APUS_CPU"] ?? "native"

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .treatAllWarnings(as: .error),
    // A square root that may set `errno` is a branch and a call, which keeps its loop scalar.
    .unsafeFlags(["-Xcc", "-march=\(cpu)", "-Xcc", "-mprefer-vector-width=512", "-Xcc", "-fno-math-errno"]),
]

/// Puts functions that count in the place of the C library's allocator.
let countedAllocations: [LinkerSetting] = [
    .unsafeFlags(
        ["malloc", "calloc", "realloc", "aligned_alloc", "posix_memalign"].flatMap {
            ["-Xlinker", "--defsym=\($0)=counted_\($0)"]
        })
]

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let systemPackage = Target.Dependency.product(name: "SystemPackage", package: "swift-system")

/// Each module may use only those above it; see the tour of the source tree in README.md.
let modules: [(name: String, dependencies: [Target.Dependency])] = [
    ("Numerics", ["CClosures"]),
    ("Kernels", ["CPlatform", "Numerics"]),
    ("Autograd", ["Numerics", "Kernels"]),
    ("Collectives", ["COpenMPI", "CPlatform", "Numerics"]),
    ("Optimization", ["Numerics", "Kernels"]),
    ("Models", ["Numerics", "Kernels", "Autograd"]),
    ("Parallelism", ["Numerics", "Kernels", "Autograd", "Collectives", "Models"]),
    ("Tokenization", ["Numerics"]),
    ("TokenData", ["CZlib", "CZstd", "Numerics", "Tokenization"]),
    ("Checkpointing", ["Numerics", "Collectives", "Models"]),
    ("JobConfiguration", ["Models", "Optimization", "Parallelism", yams]),
    ("Observability", ["Numerics"]),
    (
        "Planning",
        [
            "Numerics", "Kernels", "Autograd", "Collectives", "Optimization", "Models", "Parallelism",
            "JobConfiguration", "Observability",
        ]
    ),
    ("Supervision", ["Numerics", "Collectives", crypto]),
    (
        "Training",
        [
            "Numerics", "Kernels", "Autograd", "Collectives", "Optimization", "Models", "Parallelism", "Tokenization",
            "TokenData", "Checkpointing", "JobConfiguration", "Observability", "Supervision",
        ]
    ),
    (
        "Generation",
        [
            "Numerics", "Kernels", "Autograd", "Collectives", "Models", "Parallelism", "Tokenization", "Checkpointing",
            "JobConfiguration",
        ]
    ),
    (
        "Coordination",
        [
            "Kernels", "Models", "Parallelism", "JobConfiguration", "Observability", "Supervision", subprocess,
            systemPackage,
        ]
    ),
    (
        "Chaos",
        [
            "Numerics", "Checkpointing", "JobConfiguration", "Observability", "Supervision", "Coordination", subprocess,
            systemPackage,
        ]
    ),
    (
        "ClusterEmulation",
        [
            "CPlatform", "Numerics", "JobConfiguration", "Supervision", "Coordination", subprocess, systemPackage,
        ]
    ),
    (
        "Studies",
        [
            "Numerics", "Parallelism", "JobConfiguration", "Observability", "Coordination", "ClusterEmulation",
            subprocess, systemPackage,
        ]
    ),
    (
        "Diagnostics",
        [
            "COpenMPI", "CPlatform", "Numerics", "Kernels", "Collectives", "Observability", "Coordination", subprocess,
            systemPackage,
        ]
    ),
    (
        "Benchmarking",
        [
            "Numerics", "Kernels", "Autograd", "Collectives", "Optimization", "Models", "Parallelism",
            "JobConfiguration", "Observability", "Training",
        ]
    ),
]

let package = Package(
    name: "apus",
    products: [.executable(name: "apus", targets: ["apus"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    ],
    targets: [
        .systemLibrary(name: "COpenMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        // Headers alone: the compiler's own macros.
        .systemLibrary(name: "CPlatform"),
        .target(name: "CClosures", cSettings: [.unsafeFlags(["-O2"])]),
    ]
        + modules.map { .target(name: $0.name, dependencies: $0.dependencies, swiftSettings: settings) }
        + [
            .executableTarget(
                name: "apus",
                dependencies: modules.map { Target.Dependency(stringLiteral: $0.name) } + [argumentParser],
                swiftSettings: settings),
            // Programs that the tests start under mpirun; they are never installed.
            .executableTarget(
                name: "collectives-scenarios",
                dependencies: ["Numerics", "Kernels", "Autograd", "Collectives", "Models", "Parallelism"],
                path: "Tests/CollectivesScenarios", swiftSettings: settings),
            .executableTarget(
                name: "checkpoint-scenarios", dependencies: ["Numerics", "Collectives", "Checkpointing"],
                path: "Tests/CheckpointScenarios", swiftSettings: settings),
            .executableTarget(
                name: "coordination-scenarios", dependencies: ["Numerics", "JobConfiguration", "Coordination"],
                path: "Tests/CoordinationScenarios", swiftSettings: settings),
            .executableTarget(
                name: "training-scenarios",
                dependencies: [
                    "Numerics", "Autograd", "Collectives", "Optimization", "Models", "Parallelism", "Training",
                ],
                path: "Tests/TrainingScenarios", swiftSettings: settings, linkerSettings: countedAllocations),
            .target(
                name: "TestSupport", dependencies: ["Numerics", subprocess, systemPackage], path: "Tests/TestSupport",
                swiftSettings: settings),
        ]
        + modules.map {
            .testTarget(
                name: "\($0.name)Tests",
                dependencies: [
                    .init(stringLiteral: $0.name), "TestSupport", "collectives-scenarios", "checkpoint-scenarios",
                    "coordination-scenarios", "training-scenarios",
                ] + $0.dependencies,
                exclude: $0.name == "Training" ? ["Fixtures"] : [], swiftSettings: settings)
        }
        + [
            .testTarget(
                name: "CommandLineTests",
                dependencies: ["apus", "TestSupport"] + modules.map { Target.Dependency(stringLiteral: $0.name) },
                swiftSettings: settings)
        ]
)
