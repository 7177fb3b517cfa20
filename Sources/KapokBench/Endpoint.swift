/// An S3 endpoint reached over plain HTTP: `http://host[:port][/]`.
public struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    /// A name, an IPv4 address, or an IPv6 address without its brackets.
    public let host: String
    /// The TCP port; 80 when the text names none.
    public let port: Int

    /// Reads `text`; refuses anything but `http`, user names, paths, queries and bad ports.
    public init(parsing text: String) throws(BenchError) {
        func refuse(_ why: String) -> BenchError {
            .invalidOption("endpoint \"\(text)\": \(why) (expected http://host:port)")
        }
        let scheme = "http://"
        guard text.lowercased().hasPrefix(scheme) else {
            throw refuse("only http:// endpoints can be measured")
        }
        var authority = text.dropFirst(scheme.count)
        if authority.last == "/" { authority.removeLast() }
        let isAllowed = { (c: Character) in
            c.isASCII && (c.isLetter || c.isNumber || ".-_:[]".contains(c))
        }
        guard !authority.isEmpty, authority.count <= 255, authority.allSatisfy(isAllowed) else {
            throw refuse("not a host and port")
        }
        var portText: Substring?
        var hostText = authority
        if authority.first == "[" {
            guard let end = authority.firstIndex(of: "]") else { throw refuse("missing ]") }
            hostText = authority[authority.index(after: authority.startIndex)..<end]
            let rest = authority[authority.index(after: end)...]
            guard rest.isEmpty || rest.first == ":" else { throw refuse("not a port") }
            portText = rest.isEmpty ? nil : rest.dropFirst()
        } else if let colon = authority.firstIndex(of: ":") {
            hostText = authority[..<colon]
            portText = authority[authority.index(after: colon)...]
        }
        guard !hostText.isEmpty else { throw refuse("the host is missing") }
        host = String(hostText)
        guard let portText else {
            port = 80
            return
        }
        guard let number = Int(portText), (1...65535).contains(number) else {
            throw refuse("the port is not between 1 and 65535")
        }
        port = number
    }

    /// The value of the Host header; without the port where that is HTTP's own.
    public var hostHeader: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port == 80 ? name : "\(name):\(port)"
    }

    /// The endpoint as a URL.
    public var description: String { "http://\(hostHeader)" }
}
