import KapokWorld

/// A plan as it travels: its bytes carry the planner's signature.
///
/// | bytes | what |
/// |---|---|
/// | 4 | `KFP1` |
/// | 64 | Ed25519 signature (RFC 8032) over `signedStatement` |
/// | 32 | root of the hash tree over all switches (`SwitchTree`) |
/// | 4 + 4 | how many switches there are, and which one this is; little endian |
/// | 1 + n | the identity that the switch must have: n is 0 to 64 |
/// | 1 + 32 m | the path from the switch to the root: m is 0 to 24 |
/// | the rest | the body (`PlanBody`): the same for every switch |
///
/// The statement that is signed names the body's hash, the root and the number of switches, so one
/// signature is made for the whole fabric, and nobody can give a switch another one's place.
public struct SignedPlan: Hashable, Sendable {
    /// The whole of it.
    public let bytes: [UInt8]

    /// The most bytes of a plan. A named topology takes some hundred; a wiring as it is takes
    /// about eight a link.
    public static let maximumBytes = 8 << 20
    /// The most bytes of a switch's identity.
    public static let maximumIdentityBytes = 64

    private static let magic: [UInt8] = Array("KFP1".utf8)
    private static let signatureBytes = 64
    /// The bytes of a plan without identity, path and body.
    static let fixedBytes = 4 + 64 + 32 + 4 + 4 + 1 + 1

    /// The plan's bytes.
    public func encoded() -> [UInt8] { bytes }

    /// Signs the plan of one switch by itself. For a whole fabric use `Planner`, which gives the
    /// same bytes and signs once.
    public init(_ plan: SwitchPlan, signedBy signer: PlannerSigner) {
        let body = PlanBody.encoded(plan)
        var parts = [[UInt8]](repeating: [], count: plan.fabric.switchCount)
        parts[plan.switchID.index] = plan.identity
        let tree = SwitchTree(parts)
        self.init(
            body: body, tree: tree, count: parts.count, id: plan.switchID,
            identity: plan.identity,
            signature: signer.signature(
                over: Self.signedStatement(
                    bodyHash: PlanDigest.of(body), root: tree.root, count: parts.count)))
    }

    init(
        body: [UInt8], tree: SwitchTree, count: Int, id: SwitchID, identity: [UInt8],
        signature: [UInt8]
    ) {
        precondition(identity.count <= Self.maximumIdentityBytes)
        let path = tree.path(of: id.index)
        var writer = ByteWriter(
            minimumCapacity: body.count + 110 + identity.count + path.count * 32)
        writer.raw(Self.magic)
        writer.raw(signature)
        writer.raw(tree.root)
        writer.uint32(UInt32(count))
        writer.uint32(UInt32(id.index))
        writer.uint8(UInt8(identity.count))
        writer.raw(identity)
        writer.uint8(UInt8(path.count))
        for step in path { writer.raw(step) }
        writer.raw(body)
        bytes = writer.bytes
    }

    /// What the planner signs.
    static func signedStatement(bodyHash: [UInt8], root: [UInt8], count: Int) -> [UInt8] {
        var writer = ByteWriter(minimumCapacity: 96)
        writer.raw(Array("kapok fabric plan 1\n".utf8))
        writer.raw(bodyHash)
        writer.raw(root)
        writer.uint32(UInt32(count))
        return writer.bytes
    }

    /// The plan in `bytes` when the planner with this key signed it. The signature is checked
    /// before anything of the body is looked at. Whether it is meant for this switch and newer than
    /// what is there, the switch itself must see.
    public static func verify(
        _ bytes: [UInt8], trusting key: PlannerKey
    ) throws(PlanRefusal) -> SwitchPlan {
        let envelope = try Envelope(bytes)
        let statement = signedStatement(
            bodyHash: PlanDigest.of(envelope.body), root: envelope.root, count: envelope.count)
        guard key.isValid(envelope.signature, over: statement) else { throw .badSignature }
        let root = SwitchTree.root(
            from: envelope.identity, at: envelope.index, of: envelope.count,
            along: envelope.path)
        guard root == envelope.root else { throw .badSignature }
        var plan = try PlanBody.decode(envelope.body, for: SwitchID(envelope.index))
        guard plan.fabric.switchCount == envelope.count else {
            throw .inconsistent(
                "it is for \(envelope.count) switches, the topology has "
                    + "\(plan.fabric.switchCount)")
        }
        plan.identity = envelope.identity
        return plan
    }

    /// The SHA-256 of a plan's body, by which plans are compared; nil for what is no plan. It
    /// proves nothing.
    public static func bodyHash(of bytes: [UInt8]) -> [UInt8]? {
        (try? Envelope(bytes)).map { PlanDigest.of($0.body) }
    }

    /// The parts of a plan's bytes, by their places alone.
    private struct Envelope {
        var signature: [UInt8]
        var root: [UInt8]
        var count: Int
        var index: Int
        var identity: [UInt8]
        var path: [[UInt8]]
        var body: ArraySlice<UInt8>

        init(_ bytes: [UInt8]) throws(PlanRefusal) {
            guard bytes.count <= SignedPlan.maximumBytes else {
                throw .tooLarge(bytes: bytes.count)
            }
            guard bytes.starts(with: SignedPlan.magic) else {
                throw .malformed("it does not begin with KFP1")
            }
            do throws(ByteCodingError) {
                var reader = ByteReader(bytes)
                _ = try reader.raw(SignedPlan.magic.count)
                signature = try reader.raw(SignedPlan.signatureBytes)
                root = try reader.raw(PlanDigest.byteCount)
                count = Int(try reader.uint32())
                index = Int(try reader.uint32())
                let identityBytes = Int(try reader.uint8())
                guard identityBytes <= SignedPlan.maximumIdentityBytes else {
                    throw .tooLong(
                        length: UInt64(identityBytes), bound: SignedPlan.maximumIdentityBytes)
                }
                identity = try reader.raw(identityBytes)
                let steps = Int(try reader.uint8())
                guard steps <= SwitchTree.longestPath else {
                    throw .tooLong(length: UInt64(steps), bound: SwitchTree.longestPath)
                }
                path = []
                for _ in 0..<steps { path.append(try reader.raw(PlanDigest.byteCount)) }
                body = bytes[reader.offset...]
            } catch { throw PlanRefusal(error) }
        }
    }
}
