import Glibc

// FabricBenchmark [size] [kernel] [--json]: the named parts, or all of them.
let words = Set(CommandLine.arguments.dropFirst())
let parts = words.subtracting(["--json"])
guard parts.isSubset(of: ["size", "kernel"]) else {
    print("usage: FabricBenchmark [size] [kernel] [--json]   (--json: kernel only)")
    exit(2)
}
do {
    if parts.isEmpty || parts.contains("kernel") {
        if geteuid() == 0 {
            try KernelUpdateBenchmark.run(asJSON: words.contains("--json"))
        } else if parts.contains("kernel") {
            throw BenchmarkFailure("kernel update: needs root")
        } else {
            print("kernel update: LEFT OUT, it needs root")
        }
    }
    if parts.isEmpty || parts.contains("size") { try sizeBenchmark() }
} catch {
    print("\(error)")
    exit(1)
}
