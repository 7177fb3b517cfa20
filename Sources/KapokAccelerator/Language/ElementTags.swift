/// An element type as a Swift type, so that it can stand in a tile's signature.
///
/// A kernel that is generic over its element type is instantiated from a value at run time:
///
/// ```swift
/// func build<Element: TileElement>(_ k: KernelBuilder, _: Element.Type) { ... }
/// func build(_ k: KernelBuilder, _ type: ElementType) { build(k, type.tag) }
/// ```
public protocol TileElement: Sendable {
    /// The type of instructions and memory that it stands for.
    static var elementType: ElementType { get }
}

/// Element types whose matrices the tensor engine multiplies.
public protocol MatrixElement: TileElement {}

/// Element types of one byte, of which the tensor engine multiplies two rows at once.
public protocol FP8Element: MatrixElement {}

/// See ``ElementType/fp32``.
public enum FP32: MatrixElement { public static let elementType = ElementType.fp32 }
/// See ``ElementType/tf32``.
public enum TF32: MatrixElement { public static let elementType = ElementType.tf32 }
/// See ``ElementType/bf16``.
public enum BFloat16: MatrixElement { public static let elementType = ElementType.bf16 }
/// See ``ElementType/fp16``.
public enum FP16: MatrixElement { public static let elementType = ElementType.fp16 }
/// See ``ElementType/fp8e4m3``.
public enum FP8E4M3: FP8Element { public static let elementType = ElementType.fp8e4m3 }
/// See ``ElementType/fp8e4m3fn``.
public enum FP8E4M3FN: FP8Element { public static let elementType = ElementType.fp8e4m3fn }
/// See ``ElementType/fp8e5m2``.
public enum FP8E5M2: FP8Element { public static let elementType = ElementType.fp8e5m2 }
/// See ``ElementType/fp8e3m4``.
public enum FP8E3M4: FP8Element { public static let elementType = ElementType.fp8e3m4 }
/// See ``ElementType/int32``.
public enum Integer32: TileElement { public static let elementType = ElementType.int32 }
/// See ``ElementType/uint32``.
public enum Unsigned32: TileElement { public static let elementType = ElementType.uint32 }
/// See ``ElementType/int16``.
public enum Integer16: TileElement { public static let elementType = ElementType.int16 }
/// See ``ElementType/uint16``.
public enum Unsigned16: TileElement { public static let elementType = ElementType.uint16 }
/// See ``ElementType/int8``.
public enum Integer8: TileElement { public static let elementType = ElementType.int8 }
/// See ``ElementType/uint8``.
public enum Unsigned8: TileElement { public static let elementType = ElementType.uint8 }

extension ElementType {
    /// The Swift type that stands for this element type.
    public var tag: any TileElement.Type {
        switch self {
        case .int32: Integer32.self
        case .uint32: Unsigned32.self
        case .int16: Integer16.self
        case .uint16: Unsigned16.self
        case .int8: Integer8.self
        case .uint8: Unsigned8.self
        default: matrixTag ?? FP32.self
        }
    }

    /// The same for types that the tensor engine multiplies; nil for integers.
    public var matrixTag: (any MatrixElement.Type)? {
        switch self {
        case .fp32: FP32.self
        case .tf32: TF32.self
        case .bf16: BFloat16.self
        case .fp16: FP16.self
        case .fp8e4m3: FP8E4M3.self
        case .fp8e4m3fn: FP8E4M3FN.self
        case .fp8e5m2: FP8E5M2.self
        case .fp8e3m4: FP8E3M4.self
        default: nil
        }
    }
}

/// A memory space as a Swift type, so that it can stand in a tile's signature.
public protocol TileSpace: Sendable {
    /// The space that it stands for.
    static var space: MemorySpace { get }
}

/// See ``MemorySpace/sbuf``.
public enum SBUF: TileSpace { public static let space = MemorySpace.sbuf }
/// See ``MemorySpace/psum``.
public enum PSUM: TileSpace { public static let space = MemorySpace.psum }
