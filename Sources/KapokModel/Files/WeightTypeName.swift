extension WeightType {
    /// The name that files and people use: "Q4_K".
    public var name: String { Self.name(ofNumber: rawValue) }

    /// The type of that name, whatever its case: "q4_k", "F16".
    public init?(name: String) {
        let wanted = name.uppercased()
        guard let type = Self.allCases.first(where: { $0.name == wanted }) else { return nil }
        self = type
    }

    /// The name of a type by its number in GGUF (ggml.h, `enum ggml_type`), also of those that
    /// Kapok cannot read.
    public static func name(ofNumber number: UInt32) -> String {
        names[number] ?? "type \(number)"
    }

    /// The names of all types that Kapok can read, for messages.
    static var supportedNames: String { allCases.map(\.name).joined(separator: ", ") }

    private static let names: [UInt32: String] = [
        0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 4: "Q4_2", 5: "Q4_3", 6: "Q5_0", 7: "Q5_1",
        8: "Q8_0", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K",
        15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL",
        21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64",
        28: "F64", 29: "IQ1_M", 30: "BF16", 31: "Q4_0_4_4", 32: "Q4_0_4_8", 33: "Q4_0_8_8",
        34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 40: "NVFP4", 41: "Q1_0", 42: "Q2_0",
    ]
}
