public import ArgumentParser
import Foundation
import KapokBench
public import KapokStore

extension Durability: ExpressibleByArgument {}

/// K and M.
struct Coding {
    var dataShards: Int
    var parityShards: Int
}

/// Reads `4+2`.
func parseCoding(_ text: String) throws -> Coding {
    let parts = text.split(separator: "+", omittingEmptySubsequences: false)
    guard parts.count == 2, let data = Int(parts[0]), let parity = Int(parts[1]) else {
        throw ValidationError("'\(text)' is no coding: write data and parity shards as in 4+2")
    }
    guard data >= 1, parity >= 0, data + parity <= 32 else {
        throw ValidationError(
            "coding \(text): K must be at least 1, M at least 0 and K+M at most 32")
    }
    return Coding(dataShards: data, parityShards: parity)
}

/// A host and a port.
struct Address {
    var host: String
    var port: Int
}

/// Reads `127.0.0.1:9000` and `[::1]:9000`.
func parseAddress(_ text: String) throws -> Address {
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
        (0...65535).contains(port)
    else { throw ValidationError("'\(text)' is no HOST:PORT") }
    let host = text[..<colon].trimmingCharacters(in: CharacterSet(charactersIn: "[]"))
    guard !host.isEmpty else { throw ValidationError("'\(text)' names no host") }
    return Address(host: host, port: port)
}

/// Reads `4KiB` and the like.
func parseSize(_ text: String) throws -> ByteSize {
    guard let size = ByteSize(parsing: text) else {
        throw ValidationError("\"\(text)\" is not a size such as 4KiB")
    }
    return size
}

/// A number of bytes for a person: `14.2 GiB`.
func sizeText(_ bytes: UInt64) -> String {
    var value = Double(bytes)
    for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
        if value < 1024 || unit == "TiB" {
            return unit == "B" ? "\(bytes) B" : String(format: "%.1f %@", value, unit)
        }
        value /= 1024
    }
    return "\(bytes) B"
}
