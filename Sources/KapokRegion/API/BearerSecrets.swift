import Crypto
import Foundation
import HTTPTypes
import Hummingbird
import Synchronization

/// The secrets that allow administration.
struct BearerSecrets: Sendable {
    /// Digests are of one length and compare in constant time, however long the secrets are.
    private let digests: [SHA256Digest]

    init(_ secrets: [String]) { digests = secrets.map(Self.digest) }

    private static func digest(_ secret: some StringProtocol) -> SHA256Digest {
        SHA256.hash(data: Data(secret.utf8))
    }

    func allow(_ secret: some StringProtocol) -> Bool {
        let given = Self.digest(secret)
        // Looks at all of them, so that the time does not tell which one it was.
        return digests.reduce(false) { isKnown, digest in digest == given || isKnown }
    }

    /// Throws unless the request carries one of the secrets.
    func authorize(_ request: Request) throws(Refusal) {
        let scheme = "bearer "
        guard let field = request.headers[.authorization],
            field.prefix(scheme.count).lowercased() == scheme
        else {
            throw unauthorized(
                "this needs the header 'Authorization: Bearer SECRET' with the secret key of one "
                    + "of the region's access keys")
        }
        guard allow(field.dropFirst(scheme.count).drop { $0 == " " }) else {
            throw unauthorized("the secret key is none of this region's")
        }
    }

    private func unauthorized(_ message: String) -> Refusal {
        var refusal = Refusal(.unauthorized, "Unauthorized", message)
        refusal.headers[.wwwAuthenticate] = "Bearer realm=\"kapok\""
        return refusal
    }
}

/// One check at a time: each reads all drives.
final class CheckTurns: Sendable {
    /// Held while a check runs; given back with its last reference, whatever became of the request.
    final class Turn: Sendable {
        private let turns: CheckTurns
        fileprivate init(_ turns: CheckTurns) { self.turns = turns }
        deinit { turns.isTaken.store(false, ordering: .releasing) }
    }

    private let isTaken = Atomic(false)

    /// Nil while another one is held.
    func take() -> Turn? {
        let result = isTaken.compareExchange(
            expected: false, desired: true, ordering: .acquiringAndReleasing)
        return result.exchanged ? Turn(self) : nil
    }
}
