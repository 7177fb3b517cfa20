import Crypto
public import KapokModel
import KapokWorld

/// Names a transfer on its connection. The decode role chooses it, always higher than all before:
/// a number is never used twice, so that nothing of an old transfer can pass for a new one's.
public struct TransferID: Hashable, Comparable, Sendable {
    /// The number.
    public var number: UInt64
    /// The transfer of that number.
    public init(_ number: UInt64) { self.number = number }
    /// Asked for earlier.
    public static func < (a: TransferID, b: TransferID) -> Bool { a.number < b.number }
}

/// Names a connection of a prefill role for as long as the process runs.
public struct TransferConnectionID: Hashable, Comparable, Sendable {
    /// The number; rises with each connection.
    public var number: UInt64
    /// The connection of that number.
    public init(_ number: UInt64) { self.number = number }
    /// Opened earlier.
    public static func < (a: Self, b: Self) -> Bool { a.number < b.number }
}

/// Sixteen bytes that stand for others: a page's authentication code, or the tokens up to its end.
public struct TransferDigest: Hashable, Sendable {
    /// The first eight bytes, little-endian.
    public var low: UInt64
    /// The last eight bytes, little-endian.
    public var high: UInt64

    /// A digest of two words.
    public init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }

    /// The first sixteen bytes of `bytes`, which has at least that many.
    public init(_ bytes: some Sequence<UInt8>) {
        var words: (UInt64, UInt64) = (0, 0)
        var count = 0
        for byte in bytes.prefix(16) {
            if count < 8 {
                words.0 |= UInt64(byte) << UInt64(8 * count)
            } else {
                words.1 |= UInt64(byte) << UInt64(8 * (count - 8))
            }
            count += 1
        }
        precondition(count == 16, "a digest has 16 bytes")
        self.init(low: words.0, high: words.1)
    }
}

/// Says which tokens a page belongs to: the digest of page `i` covers every token from the prompt's
/// first one to the page's last one, so that a page of other tokens never passes for this one.
public enum TokenChain {
    /// One digest for each page of `tokens`, the last one covering a page in part where they do not
    /// fill it. Each is the beginning of SHA-256 over the digest before it and the page's tokens,
    /// 4 bytes each, little-endian; before the first one stands a text of this protocol.
    public static func digests(of tokens: [TokenID]) -> [TransferDigest] {
        var before = Array("kapok token chain 1".utf8)
        var digests: [TransferDigest] = []
        digests.reserveCapacity(pages(of: tokens.count))
        var start = 0
        while start < tokens.count {
            let end = min(start + KVPage.tokens, tokens.count)
            var writer = ByteWriter(appendingTo: before)
            for token in tokens[start..<end] { writer.uint32(UInt32(bitPattern: token)) }
            before = Array(SHA256.hash(data: writer.bytes).prefix(16))
            digests.append(TransferDigest(before))
            start = end
        }
        return digests
    }

    /// How many pages hold `tokens` tokens.
    public static func pages(of tokens: Int) -> Int {
        (tokens + KVPage.tokens - 1) / KVPage.tokens
    }
}
