/// The names of an enumeration's cases in text, both ways.
struct KirNames<Value: CaseIterable & Hashable & Sendable>: Sendable {
    private let values: [String: Value]
    private let names: [Value: String]
    /// All names in the order of the cases, for error texts.
    let list: String

    init(_ name: (Value) -> String) {
        let all = Value.allCases.map { (name($0), $0) }
        values = Dictionary(uniqueKeysWithValues: all)
        names = Dictionary(uniqueKeysWithValues: all.map { ($1, $0) })
        list = all.map(\.0).joined(separator: ", ")
    }

    /// The value of that name; nil when there is none.
    subscript(_ name: String) -> Value? { values[name] }

    /// The name of a value.
    func name(_ value: Value) -> String { names[value] ?? "\(value)" }
}

/// The words of the text form.
enum KirVocabulary {
    static let opcodes = KirNames<Opcode> { $0.name }
    static let engines = KirNames<Engine> { $0.name }
    static let operations = KirNames<ALUOperation> { $0.name }
    static let activations = KirNames<Activation> { "\($0)" }
    static let types = KirNames<ElementType> { $0.name }
    static let spaces = KirNames<MemorySpace> { $0.name }
    static let roles = KirNames<TensorDeclaration.Role> { "\($0)" }
    static let dependences = KirNames<DependenceKind> { $0.name }

    /// The flags in order of their bits.
    static let flagNames: [(name: String, flag: InstructionFlags)] = [
        ("accumulate", .accumulate), ("transpose", .transpose), ("scalar0", .scalar0),
        ("scalar1", .scalar1), ("reverse0", .reverse0), ("reverse1", .reverse1),
        ("reduces", .reduces), ("negate", .negate), ("stochastic", .stochastic),
        ("doubleRow", .doubleRow),
    ]
    static let flags = Dictionary(uniqueKeysWithValues: flagNames.map { ($0.name, $0.flag) })
}
