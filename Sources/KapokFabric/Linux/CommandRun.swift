import CNetlink
import Glibc

/// Why the data plane of a switch cannot be set up.
public struct DataPlaneFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// What failed, why, and what to do.
    public var description: String

    init(_ description: String) { self.description = description }
}

/// Runs a program of the system to its end.
enum CommandRun {
    /// What is kept of a program's output.
    static let mostOutput = 1 << 16

    /// Runs a program of an administrator's folders with `input` on its standard input. Returns its
    /// exit status and what it wrote.
    static func run(
        _ words: [String], input: String
    ) throws(DataPlaneFailure) -> (status: Int32, output: String) {
        guard let path = path(of: words[0]) else {
            throw DataPlaneFailure("\(words[0]) is not installed (Debian: nftables)")
        }
        var toChild: [Int32] = [-1, -1]
        var fromChild: [Int32] = [-1, -1]
        guard kapok_private_pipe(&toChild) == 0, kapok_private_pipe(&fromChild) == 0 else {
            throw DataPlaneFailure("no pipe to \(words[0]): \(String(cString: strerror(errno)))")
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, toChild[0], 0)
        posix_spawn_file_actions_adddup2(&actions, fromChild[1], 1)
        posix_spawn_file_actions_adddup2(&actions, fromChild[1], 2)
        var arguments: [UnsafeMutablePointer<CChar>?] = ([path] + words.dropFirst()).map {
            strdup($0)
        }
        arguments.append(nil)
        defer { for argument in arguments { free(argument) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, path, &actions, nil, arguments, environ)
        close(toChild[0])
        close(fromChild[1])
        guard code == 0 else {
            close(toChild[1])
            close(fromChild[0])
            throw DataPlaneFailure("cannot start \(path): \(String(cString: strerror(code)))")
        }
        write(Array(input.utf8), to: toChild[1])
        close(toChild[1])
        let output = read(from: fromChild[0])
        close(fromChild[0])
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        // The exit status stands in bits 8 to 15; a signal in the lower ones.
        let exit = status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + (status & 0x7F)
        return (exit, output)
    }

    private static func path(of name: String) -> String? {
        ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin"].map { "\($0)/\(name)" }
            .first { access($0, X_OK) == 0 }
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) {
        var done = 0
        while done < bytes.count {
            let count = bytes[done...].withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress, $0.count)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            done += count
        }
    }

    private static func read(from descriptor: Int32) -> String {
        var all: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = Glibc.read(descriptor, &part, part.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            if all.count < mostOutput { all += part[..<count] }
        }
        return String(decoding: all.prefix(mostOutput), as: UTF8.self)
    }
}
