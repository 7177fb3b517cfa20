// The kernels of the model's CPU backend beside what this machine's memory and integer units can
// do at most, measured in turns: a limit, a kernel, the limit again. Shares are of CPU time.

import CKernels
import Glibc
import KapokModel

guard let options = Options(CommandLine.arguments.dropFirst()) else {
    print(Options.usage)
    exit(64)
}
// Packing of activations takes the chosen one.
kapok_linear_choose(options.implementation)

var members: [String] = []
for threads in options.threads {
    let meter = Meter(pool: ThreadPool(threads: threads))
    let vectors = VectorRate(
        meter: meter, rounds: options.rounds, implementation: options.implementation
    ).measure(types: options.types, sets: options.sets)
    let rate = MatrixRate(
        meter: meter, rounds: options.rounds, implementation: options.implementation)
    // Without VNNI the int8 kernel by itself is there for comparing alone, in plain C.
    let integers: [MatrixRate.Work] = rate.hasVNNI ? [.integers] : []
    let products = rate.measure(
        works: integers + options.matrixTypes.map { .weights($0) }, tokens: [512, 128])
    if options.asJSON {
        members.append(
            """
            {"threads":\(meter.threads),"kernels":"\(options.kernelsName)",\
            "gemv":\(VectorRate.json(vectors)),"gemm":\(rate.json(products))}
            """)
    } else {
        VectorRate.printTable(vectors, threads: meter.threads)
        print("")
        rate.printTable(products)
        print("")
    }
}
if options.asJSON { print("[\(members.joined(separator: ","))]") }
