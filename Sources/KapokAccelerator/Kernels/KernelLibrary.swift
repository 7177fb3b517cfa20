/// The kernels that come with Kapok.
public enum KernelLibrary {
    /// All of them, in the order in which they are listed.
    public static let all: [any LibraryKernel] = [
        MatmulKernel(),
        SoftmaxKernel(),
        LayerNormKernel(),
        RMSNormKernel(),
        TransposeKernel(),
        SelectiveScanKernel(),
        AttentionKernel(),
        AttentionDecodeKernel(),
        RotaryKernel(),
        SwiGLUKernel(),
        CausalConvolutionKernel(),
        ConvolutionKernel(),
        TopKKernel(),
    ]

    /// The kernel of that name; nil when there is none.
    public static func named(_ name: String) -> (any LibraryKernel)? {
        all.first { $0.name == name }
    }
}
