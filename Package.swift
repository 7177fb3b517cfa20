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
        .library(name: "KapokStore", targets: ["KapokStore"]),
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
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0"),
    ],
    targets: [
        // Floor 0
        .target(name: "CKernels"),
        .target(name: "KapokWorld", swiftSettings: strict),

        // System libraries (Debian: libisal-dev, libsqlite3-dev, liburing-dev)
        .systemLibrary(
            name: "CISAL", pkgConfig: "libisal", providers: [.apt(["libisal-dev"])]),
        .systemLibrary(
            name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .target(name: "CUring", linkerSettings: [.linkedLibrary("uring")]),

        // Floor 1
        .target(name: "KapokSimulation", dependencies: ["KapokWorld"], swiftSettings: strict),
        .target(
            name: "KapokLinux", dependencies: ["KapokWorld", "CUring"], swiftSettings: strict),

        // Floor 2
        .target(
            name: "KapokDrive", dependencies: ["KapokWorld", "KapokLinux", "CKernels"],
            swiftSettings: strict),

        // Floor 3
        .target(
            name: "KapokStore",
            dependencies: ["KapokWorld", "KapokLinux", "KapokDrive", "CKernels", "CISAL", "CSQLite"],
            swiftSettings: strict),
        .target(
            name: "KapokS3",
            dependencies: [
                "KapokWorld", "KapokStore", "CKernels", "CISAL",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .target(
            name: "KapokStoreSimulation",
            dependencies: ["KapokWorld", "KapokSimulation", "KapokDrive", "KapokStore"],
            swiftSettings: strict),

        // Floor 4
        .target(
            name: "KapokRegion",
            dependencies: [
                "KapokWorld", "KapokLinux", "KapokDrive", "KapokStore", "KapokS3",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: strict),

        // Floor 5
        .executableTarget(
            name: "kapok",
            dependencies: [
                "KapokRegion", "KapokStoreSimulation", .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),
    ]
)
