import Synchronization

/// HTTP dates that are asked for again and again, formatted once.
final class HTTPDates: Sendable {
    private struct Kept {
        var seconds = Int64.min
        var text = ""

        mutating func text(of wanted: Int64) -> String {
            if seconds != wanted {
                text = DateFormats.http(unixSeconds: wanted)
                seconds = wanted
            }
            return text
        }
    }

    private let now = Mutex(Kept())
    private let modified = Mutex(Kept())

    /// The `Date` of an answer at `seconds` since 1970: the same for a whole second.
    func date(_ seconds: Int64) -> String { now.withLock { $0.text(of: seconds) } }

    /// The `Last-Modified` of an object: objects written together are often read together.
    func lastModified(_ seconds: Int64) -> String { modified.withLock { $0.text(of: seconds) } }
}
