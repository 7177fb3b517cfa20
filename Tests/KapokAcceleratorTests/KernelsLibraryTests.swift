import Testing

@testable import KapokAccelerator

@Suite("The kernel library")
struct KernelsLibraryTests {
    let machine: Machine

    init() throws { machine = try Machine(.trainium2) }

    @Test("names are unique, and every kernel is found by its name")
    func names() throws {
        let names = KernelLibrary.all.map(\.name)
        #expect(Set(names).count == names.count)
        for name in names { #expect(KernelLibrary.named(name)?.name == name) }
        #expect(KernelLibrary.named("nothing") == nil)
    }

    @Test("every kernel, variant and type traces, and declares the tensors that it promised")
    func everythingTraces() throws {
        for kernel in KernelLibrary.all {
            for variant in kernel.variants {
                for type in kernel.elementTypes
                where variant.name != "dma" || type.byteCount > 1 {
                    let arguments = try small(kernel, type, variant.name)
                    let traced = try kernel.trace(arguments, on: machine)
                    #expect(
                        traced.tensors.filter { $0.role != .scratch } == kernel.tensors(arguments),
                        "\(kernel.name) \(variant.name) \(type)")
                    #expect(!traced.instructions.isEmpty)
                    #expect(traced.parameters.last?.value == variant.name)
                }
            }
        }
    }

    /// Arguments at the low end of what each parameter allows, but not trivial.
    private func small(
        _ kernel: some LibraryKernel, _ type: ElementType, _ variant: String
    ) throws -> KernelArguments {
        let values = Dictionary(
            uniqueKeysWithValues: kernel.parameters.map { parameter in
                (parameter.name, min(parameter.range.upperBound, min(256, parameter.defaultValue)))
            })
        return try KernelArguments(for: kernel, values, type: type, variant: variant)
    }

    @Test("arguments that a kernel does not take are refused, and the refusal says what it takes")
    func badArguments() throws {
        let matmul = try #require(KernelLibrary.named("matmul"))
        func problem(
            _ values: [String: Int], _ type: ElementType? = nil, _ variant: String? = nil
        ) -> String {
            do {
                _ = try KernelArguments(for: matmul, values, type: type, variant: variant)
                return ""
            } catch {
                return error.description
            }
        }
        #expect(
            problem(["q": 1]) == "kernel matmul: no parameter q; it has m, k, n, type and step")
        #expect(
            problem(["m": 0])
                == "kernel matmul: m = 0, but the number of result rows is 1 to 131072")
        #expect(problem([:], .int8).hasPrefix("kernel matmul: type int8; it takes fp32, bf16"))
        #expect(
            problem([:], nil, "v9") == "kernel matmul: no step v9; it has tuned, v2, v3, v4, v5")
        #expect(
            problem(["m": 131_072, "k": 131_072])
                == "kernel matmul: 16777216 tile products, but a trace takes at most 2097152")
        #expect(problem(["m": 64]) == "")
    }

    @Test("a comparison finds the worst element, in units of the bound; what is no number is worst")
    func comparison() {
        let bound = ErrorBound(absolute: 0.5, relative: 0.25)
        func compare(_ values: [Float], _ reference: [Double]) -> OutputComparison {
            OutputComparison(name: "y", values: values, reference: reference, bound: bound)
        }
        let close = compare([1, 2.5, -4], [1, 2, -4.75])
        #expect(close.largestError == 0.75 && close.worstElement == 1 && close.isWithinBound)
        #expect(close.largestShareOfBound == 0.5)
        let far = compare([1, 4], [1, 2])
        #expect(far.largestShareOfBound == 2 && !far.isWithinBound && far.worstElement == 1)
        #expect(!compare([.nan], [0]).isWithinBound)
        #expect(!compare([.infinity], [1]).isWithinBound)
        #expect(compare([.infinity], [.infinity]).isWithinBound)
        #expect(!bound.allows(.nan, reference: 1) && bound.allows(1.75, reference: 1))
    }
}
