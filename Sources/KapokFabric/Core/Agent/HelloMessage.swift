public import KapokWorld

/// How far one end of a link has come, as it tells the other end.
public enum HelloState: UInt8, Hashable, Sendable, CaseIterable {
    /// It does not hear the other end, or must not use the link.
    case down = 0
    /// It hears the other end, and waits: for the other end to hear it, or for the hold-down.
    case waiting = 1
    /// It is ready to use the link, or uses it.
    case up = 2
}

/// What one end of a link wants the other to know, beside its state.
public struct HelloFlags: OptionSet, Hashable, Sendable {
    /// The byte on the wire.
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// This end drains the link.
    public static let drained = HelloFlags(rawValue: 1)
    /// This end loses too many of the other's hellos.
    public static let grey = HelloFlags(rawValue: 2)
    /// This end has enough other ports to do without the link.
    public static let canDrain = HelloFlags(rawValue: 4)
    /// This end suspects loss and asks for more hellos, to be sure soon.
    public static let wantsProbes = HelloFlags(rawValue: 8)

    static let all: HelloFlags = [.drained, .grey, .canDrain, .wantsProbes]
}

/// What one end of a link says to the other every hello interval: 64 bytes, little-endian.
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 1 | `K` (0x4B) |
/// | 1 | 1 | version, 1 |
/// | 2 | 1 | kind, 1 |
/// | 3 | 1 | bits 0-1: state; bits 4-7: flags; the others 0 |
/// | 4 | 4 | the sender's switch |
/// | 8 | 2 | the sender's port |
/// | 10 | 2 | the sender's hello interval in units of 10 us |
/// | 12 | 4 | digest of the news that both ends must know |
/// | 16 | 8 | incarnation: when the sender's agent started |
/// | 24 | 8 | incarnation last heard from the receiver; 0 for none |
/// | 32 | 8 | sequence: rises by one with every hello on this link in this incarnation |
/// | 40 | 4 | the last sequence heard from the receiver, its low 32 bits |
/// | 44 | 4 | hellos of the receiver that the sender missed, in all |
/// | 48 | 8 | epoch of the plan that the sender has in force |
/// | 56 | 8 | SipHash-2-4 over bytes 0 ..< 56 with the link's key |
public struct HelloMessage: Hashable, Sendable {
    /// The bytes of a hello.
    public static let byteCount = 64
    private static let codedBytes = 56

    /// How far the sender has come.
    public var state: HelloState
    /// What else it wants known.
    public var flags: HelloFlags
    /// The sender's end of the link.
    public var sender: PortID
    /// The sender's hello interval in units of 10 microseconds, at least 1.
    public var intervalUnits: UInt16
    /// Digest of the news that both ends must know.
    public var digest: UInt32
    /// When the sender's agent started, in nanoseconds of wall-clock time.
    public var incarnation: UInt64
    /// The receiver's incarnation as the sender heard it; 0 for none.
    public var heardIncarnation: UInt64
    /// Rises by one with every hello.
    public var sequence: UInt64
    /// The low bits of the last sequence that the sender heard from the receiver.
    public var heardSequence: UInt32
    /// Hellos of the receiver that the sender missed.
    public var lost: UInt32
    /// The epoch of the plan that the sender has in force.
    public var epoch: UInt64

    public init(
        state: HelloState, flags: HelloFlags = [], sender: PortID, interval: Interval,
        digest: UInt32 = 0, incarnation: UInt64, heardIncarnation: UInt64 = 0, sequence: UInt64,
        heardSequence: UInt32 = 0, lost: UInt32 = 0, epoch: UInt64
    ) {
        self.state = state
        self.flags = flags
        self.sender = sender
        self.intervalUnits = UInt16(clamping: max(1, interval.nanoseconds / 10_000))
        self.digest = digest
        self.incarnation = incarnation
        self.heardIncarnation = heardIncarnation
        self.sequence = sequence
        self.heardSequence = heardSequence
        self.lost = lost
        self.epoch = epoch
    }

    /// The sender's hello interval.
    public var interval: Interval { .microseconds(UInt64(intervalUnits) * 10) }

    /// The 64 bytes, with their code under the link's key.
    public func encoded(key: SipHashKey) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: Self.byteCount) { buffer, count in
            let raw = UnsafeMutableRawBufferPointer(buffer)
            func put<T: FixedWidthInteger>(_ value: T, _ offset: Int) {
                raw.storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
            }
            put(DatagramKind.magic, 0)
            put(DatagramKind.version, 1)
            put(DatagramKind.hello, 2)
            put(state.rawValue | flags.rawValue << 4, 3)
            put(UInt32(truncatingIfNeeded: sender.owner.index), 4)
            put(UInt16(truncatingIfNeeded: sender.port), 8)
            put(intervalUnits, 10)
            put(digest, 12)
            put(incarnation, 16)
            put(heardIncarnation, 24)
            put(sequence, 32)
            put(heardSequence, 40)
            put(lost, 44)
            put(epoch, 48)
            let message = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(raw)[..<56])
            put(SipHash.hash(message, key: key), 56)
            count = Self.byteCount
        }
    }

    /// Whether the code of these 64 bytes is right under `key`.
    static func isAuthentic(_ bytes: [UInt8], key: SipHashKey) -> Bool {
        bytes.withUnsafeBytes { raw in
            guard raw.count == byteCount else { return false }
            let message = UnsafeRawBufferPointer(rebasing: raw[..<codedBytes])
            let code = UInt64(
                littleEndian: raw.loadUnaligned(fromByteOffset: codedBytes, as: UInt64.self))
            return SipHash.hash(message, key: key) == code
        }
    }

    /// What 64 bytes say; their code is not looked at.
    init(claimedBy bytes: [UInt8]) throws(DatagramRefusal) {
        guard bytes.count == Self.byteCount else {
            throw .malformed("a hello of \(bytes.count) bytes, not \(Self.byteCount)")
        }
        guard bytes[0] == DatagramKind.magic, bytes[1] == DatagramKind.version,
            bytes[2] == DatagramKind.hello
        else { throw .malformed("not a hello of version \(DatagramKind.version)") }
        let flags = HelloFlags(rawValue: bytes[3] >> 4)
        guard let state = HelloState(rawValue: bytes[3] & 15), HelloFlags.all.contains(flags)
        else { throw .malformed("unknown state \(bytes[3])") }
        self = bytes.withUnsafeBytes { raw in
            func get<T: FixedWidthInteger>(_ offset: Int, _: T.Type) -> T {
                T(littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: T.self))
            }
            var hello = HelloMessage(
                state: state, flags: flags,
                sender: PortID(SwitchID(Int(get(4, UInt32.self))), Int(get(8, UInt16.self))),
                interval: .zero, digest: get(12, UInt32.self),
                incarnation: get(16, UInt64.self), heardIncarnation: get(24, UInt64.self),
                sequence: get(32, UInt64.self), heardSequence: get(40, UInt32.self),
                lost: get(44, UInt32.self), epoch: get(48, UInt64.self))
            hello.intervalUnits = get(10, UInt16.self)
            return hello
        }
        guard intervalUnits > 0 else { throw .malformed("a hello interval of zero") }
    }

    /// The hello in `bytes`, when its code is right under the link's key.
    public init(_ bytes: [UInt8], key: SipHashKey) throws(DatagramRefusal) {
        let claimed = try HelloMessage(claimedBy: bytes)
        guard Self.isAuthentic(bytes, key: key) else { throw .badCode }
        self = claimed
    }
}
