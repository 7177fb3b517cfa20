import Crypto
import Foundation

/// Makes the authentication codes of the frames of one direction of a connection.
///
/// A code is AES-128-GCM's tag over the bytes as associated data (GMAC, NIST SP 800-38D): keyed,
/// and on a processor with carry-less multiplication an order of magnitude faster than SHA-256, so
/// that checking a page costs a fraction of receiving it. A nonce is the frame's number in its
/// direction and what is covered, and never comes twice under a key, because keys are the
/// connection's own. The number makes a frame that is lost, repeated or moved fail.
struct FrameSeal {
    /// What a code covers.
    enum Part: UInt32 {
        /// Lengths and message.
        case message = 0
        /// The bytes of a page.
        case page = 1
    }

    static let codeBytes = 16

    private let key: SymmetricKey
    /// The number of the next frame.
    private var number: UInt64 = 0

    init(key: [UInt8]) { self.key = SymmetricKey(data: key) }

    /// The code of a part of the next frame.
    func code(of bytes: UnsafeRawBufferPointer, _ part: Part) -> TransferDigest {
        var nonce = [UInt8](repeating: 0, count: 12)
        withUnsafeBytes(of: number.littleEndian) { nonce.replaceSubrange(0..<8, with: $0) }
        withUnsafeBytes(of: part.rawValue.littleEndian) { nonce.replaceSubrange(8..<12, with: $0) }
        do {
            let box = try AES.GCM.seal(
                [UInt8](), using: key, nonce: AES.GCM.Nonce(data: nonce), authenticating: bytes)
            return TransferDigest(box.tag)
        } catch { preconditionFailure("a key of 16 and a nonce of 12 bytes: \(error)") }
    }

    /// The next frame begins.
    mutating func advance() { number += 1 }
}
