import NIOCore
import Testing

@testable import KapokBench

@Suite("Response parser")
struct ResponseParserTests {
    /// What a stream of bytes, given in pieces of `piece` bytes, is parsed into.
    private func parse(
        _ text: String, piece: Int, bodyless: Bool = false
    ) throws(MalformedResponse) -> (heads: [ResponseHead], bodies: [String]) {
        var parser = ResponseParser()
        var buffer = ByteBuffer()
        var heads: [ResponseHead] = []
        var bodies: [String] = []
        var body = ""
        var rest = Array(text.utf8)[...]
        while true {
            switch try parser.next(&buffer, bodyless: bodyless) {
            case .needsMore:
                if rest.isEmpty { return (heads, bodies) }
                buffer.writeBytes(rest.prefix(piece))
                rest = rest.dropFirst(piece)
            case .head(let head): heads.append(head)
            case .body(let count): body += buffer.readString(length: count) ?? "?"
            case .end:
                bodies.append(body)
                body = ""
            }
        }
    }

    private static let two =
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\nhello"
        + "HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\nConnection: close\r\n\r\n"
        + "3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: yes\r\n\r\n"

    @Test("responses are the same however the bytes are cut", arguments: [1, 2, 3, 7, 64, 4096])
    func pieces(piece: Int) throws {
        let (heads, bodies) = try parse(Self.two, piece: piece)
        #expect(
            heads == [
                ResponseHead(status: 200, contentLength: 5),
                ResponseHead(status: 404, isChunked: true, closes: true),
            ])
        #expect(bodies == ["hello", "abc0123456789"])
    }

    @Test("an answer to HEAD has no body whatever its length says")
    func headRequest() throws {
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 4096\r\n\r\n"
        let (heads, bodies) = try parse(text + text, piece: 5, bodyless: true)
        #expect(heads.map(\.contentLength) == [4096, 4096])
        #expect(bodies == ["", ""])
    }

    @Test("100 Continue is passed over")
    func interim() throws {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"
        let (heads, bodies) = try parse(text, piece: 1)
        #expect(heads == [ResponseHead(status: 204)])
        #expect(bodies == [""])
    }

    @Test(
        "what is not HTTP/1.1 within bounds is refused",
        arguments: [
            "ICY 200 OK\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nServer: unbounded\r\n\r\nbody",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        ])
    func malformed(text: String) {
        #expect(throws: MalformedResponse.self) { try parse(text, piece: 1 << 20) }
    }

    @Test("a head without an end is refused after 64 KiB")
    func endlessHead() throws {
        let head = "HTTP/1.1 200 OK\r\nX: " + String(repeating: "x", count: 70_000)
        #expect(throws: MalformedResponse.self) { try parse(head, piece: 1000) }
        let fits = String(head.prefix(60_000)) + "\r\nContent-Length: 0\r\n\r\n"
        #expect(try parse(fits, piece: 1000).bodies == [""])
    }
}
