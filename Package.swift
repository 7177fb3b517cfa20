// swift-tools-version: 6.2
import PackageDescription

/// Every Kapok target is compiled with the same strictness.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

let package = Package(
    name: "kapok",
    products: [
        .executable(name: "kapok", targets: ["kapok"]),
        .library(name: "KapokWorld", targets: ["KapokWorld"]),
        .library(name: "KapokSimulation", targets: ["KapokSimulation"]),
        .library(name: "KapokDrive", targets: ["KapokDrive"]),
        .library(name: "KapokAccelerator", targets: ["KapokAccelerator"]),
        .library(name: "KapokFabric", targets: ["KapokFabric"]),
        .library(name: "KapokModel", targets: ["KapokModel"]),
        .library(name: "KapokStore", targets: ["KapokStore"]),
        .library(name: "KapokInference", targets: ["KapokInference"]),
        .library(name: "KapokS3", targets: ["KapokS3"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // Floor 0
        .target(name: "CKernels"),
        .target(name: "KapokWorld", swiftSettings: strict),

        // System libraries (Debian: libisal-dev, libsqlite3-dev, liburing-dev, zlib1g-dev)
        .systemLibrary(name: "CISAL", pkgConfig: "libisal", providers: [.apt(["libisal-dev"])]),
        .systemLibrary(
            name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "CUring", linkerSettings: [.linkedLibrary("uring")]),
        // The kernel's own headers: netlink, next hops, packet timestamps.
        .target(name: "CNetlink"),

        // Floor 1
        .target(name: "KapokSimulation", dependencies: ["KapokWorld"], swiftSettings: strict),
        .target(
            name: "KapokLinux", dependencies: ["KapokWorld", "CUring"], swiftSettings: strict),

        // Floor 2
        .target(
            name: "KapokDrive", dependencies: ["KapokWorld", "KapokLinux", "CKernels"],
            swiftSettings: strict),
        .target(
            name: "KapokAccelerator", dependencies: ["KapokWorld", "CKernels", "CZlib"],
            swiftSettings: strict),

        .target(
            name: "KapokFabric",
            dependencies: [
                "KapokWorld", "KapokLinux", "CNetlink",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .target(
            name: "KapokFabricSimulation",
            dependencies: ["KapokWorld", "KapokSimulation", "KapokFabric"],
            swiftSettings: strict),

        .target(
            name: "KapokModel",
            dependencies: [
                "KapokWorld", "KapokLinux", "CKernels",
                .product(name: "OrderedCollections", package: "swift-collections"),
            ],
            swiftSettings: strict),

        // Floor 3
        .target(
            name: "KapokInference",
            dependencies: [
                "KapokWorld", "KapokLinux", "KapokModel", "KapokAccelerator",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "OrderedCollections", package: "swift-collections"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict),
        .target(
            name: "KapokInferenceSimulation",
            dependencies: ["KapokWorld", "KapokSimulation", "KapokModel", "KapokInference"],
            swiftSettings: strict),
        .target(
            name: "KapokStore",
            dependencies: ["KapokWorld", "KapokLinux", "KapokDrive", "CISAL", "CSQLite"],
            swiftSettings: strict),
        .target(
            name: "KapokStoreSimulation",
            dependencies: ["KapokWorld", "KapokSimulation", "KapokDrive", "KapokStore"],
            swiftSettings: strict),
        .target(
            name: "KapokS3",
            dependencies: [
                "KapokWorld", "KapokStore", "CKernels", "CISAL",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: strict),

        // Floor 4
        .target(
            name: "KapokBench",
            dependencies: [
                "KapokWorld", "KapokModel", "KapokInference",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "OrderedCollections", package: "swift-collections"),
            ],
            swiftSettings: strict),
        .target(
            name: "KapokRegion",
            dependencies: [
                "KapokWorld", "KapokLinux", "KapokDrive", "KapokStore", "KapokS3",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict),

        // Floor 5
        .executableTarget(
            name: "kapok",
            dependencies: [
                "KapokAccelerator", "KapokBench", "KapokFabric", "KapokFabricSimulation",
                "KapokInference", "KapokInferenceSimulation", "KapokModel", "KapokRegion",
                "KapokSimulation", "KapokStore", "KapokStoreSimulation",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),

        // Tests
        .testTarget(name: "CKernelsTests", dependencies: ["CKernels"], swiftSettings: strict),
        .testTarget(name: "KapokWorldTests", dependencies: ["KapokWorld"], swiftSettings: strict),
        .testTarget(
            name: "KapokSimulationTests", dependencies: ["KapokWorld", "KapokSimulation"],
            swiftSettings: strict),
        .testTarget(
            name: "KapokLinuxTests", dependencies: ["KapokWorld", "KapokLinux"],
            swiftSettings: strict),
        .testTarget(
            name: "KapokDriveTests", dependencies: ["KapokWorld", "KapokLinux", "KapokDrive"],
            swiftSettings: strict),
        .testTarget(
            name: "KapokAcceleratorTests", dependencies: ["KapokWorld", "KapokAccelerator"],
            swiftSettings: strict),
        .testTarget(
            name: "KapokFabricTests",
            dependencies: [
                "KapokWorld", "KapokLinux", "KapokFabric",
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "KapokFabricSimulationTests",
            dependencies: [
                "KapokWorld", "KapokSimulation", "KapokFabric", "KapokFabricSimulation",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "KapokStoreTests",
            dependencies: ["KapokWorld", "KapokLinux", "KapokDrive", "KapokStore", "CISAL"],
            swiftSettings: strict),
        .testTarget(
            name: "KapokS3Tests",
            dependencies: [
                "KapokWorld", "KapokStore", "KapokS3",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "KapokModelTests",
            dependencies: [
                "KapokWorld", "KapokLinux", "KapokModel", "CKernels",
                .product(name: "OrderedCollections", package: "swift-collections"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "KapokInferenceTests",
            dependencies: [
                "KapokWorld", "KapokModel", "KapokInference", "KapokAccelerator",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdTesting", package: "hummingbird"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "OrderedCollections", package: "swift-collections"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "KapokInferenceSimulationTests",
            dependencies: [
                "KapokWorld", "KapokSimulation", "KapokModel", "KapokInference",
                "KapokInferenceSimulation",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "KapokBenchTests",
            dependencies: [
                "KapokBench", "KapokInference", "KapokWorld",
                .product(name: "Histogram", package: "hdrhistogram-swift"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "SimulationTests",
            dependencies: ["KapokSimulation", "KapokStore", "KapokStoreSimulation"],
            swiftSettings: strict),
        .testTarget(
            name: "KapokRegionTests",
            dependencies: [
                "KapokRegion", "KapokStore",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
            ],
            swiftSettings: strict),
        .testTarget(name: "HouseTests", swiftSettings: strict),
        // The binary under test is found beside the test bundle.
        .testTarget(
            name: "InteropTests", dependencies: ["kapok", "KapokAccelerator"], exclude: ["Clients"],
            swiftSettings: strict),

        // Benchmarks
        .executableTarget(
            name: "SimulationBenchmark",
            dependencies: [
                "KapokWorld", "KapokSimulation",
                .product(name: "HeapModule", package: "swift-collections"),
            ],
            path: "Benchmarks/Simulation", swiftSettings: strict),
        .target(
            name: "CodingReference", dependencies: ["CISAL"], path: "Benchmarks/CodingReference"),
        .executableTarget(
            name: "CodingBenchmark", dependencies: ["KapokDrive", "KapokStore", "CodingReference"],
            path: "Benchmarks/Coding", swiftSettings: strict),
        .executableTarget(
            name: "DriveBenchmark", dependencies: ["KapokWorld", "KapokLinux", "KapokDrive"],
            path: "Benchmarks/Drive", swiftSettings: strict),
        .executableTarget(
            name: "AcceleratorBenchmark",
            dependencies: ["KapokWorld", "KapokAccelerator", "CKernels"],
            path: "Benchmarks/Accelerator", swiftSettings: strict),
        .executableTarget(
            name: "ModelBenchmark", dependencies: ["KapokModel", "CKernels"],
            path: "Benchmarks/Model", swiftSettings: strict),
        .executableTarget(
            name: "FabricBenchmark",
            dependencies: ["KapokWorld", "KapokFabric", "KapokFabricSimulation", "CNetlink"],
            path: "Benchmarks/Fabric", swiftSettings: strict),
    ]
)
