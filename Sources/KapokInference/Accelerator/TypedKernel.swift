internal import KapokAccelerator

/// A kernel that is written once for all types of numbers.
protocol TypedKernel: Hashable, Sendable {
    /// Its name in tables.
    var name: String { get }
    /// What its program says of its shape.
    var parameters: [KernelParameter] { get }

    func build<Element: MatrixElement>(_ k: KernelBuilder, _ type: Element.Type)
}

extension TypedKernel {
    var parameters: [KernelParameter] { [] }

    /// - Parameter type: one that ``LoweredDecoder/check(_:on:)`` lets pass.
    func trace(on machine: Machine, type: ElementType) throws(TraceError) -> TracedKernel {
        let tag: any MatrixElement.Type = type.matrixTag ?? FP32.self
        let parameters = parameters + [KernelParameter("type", type.name)]
        return try TracedKernel.trace(name, on: machine, parameters: parameters) { k in
            build(k, tag)
        }
    }
}
