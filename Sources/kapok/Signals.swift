import ArgumentParser
import Dispatch
import Foundation

/// Calls `stop` at the first SIGINT or SIGTERM; a second one ends the process at once. The sources
/// work as long as they are kept.
func stopOnSignals(_ stop: @escaping @Sendable () -> Void) -> [any DispatchSourceSignal] {
    [SIGINT, SIGTERM].map { number in
        signal(number, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
        let count = SignalCount()
        source.setEventHandler {
            if count.next() > 1 { exit(130) }
            stop()
        }
        source.resume()
        return source
    }
}

private final class SignalCount: @unchecked Sendable {
    // Only the source's handler, one call at a time, uses it.
    private var count = 0

    func next() -> Int {
        count += 1
        return count
    }
}

extension CleanExit {
    /// An error for a person: its text on standard error, and exit code 1.
    static func failure(_ text: String) -> any Error { CommandFailure(description: text) }
}

/// An error whose text says everything.
struct CommandFailure: LocalizedError, CustomStringConvertible {
    var description: String
    var errorDescription: String? { description }
}
