import Foundation

/// An error whose text says everything: it is printed on standard error, and the exit code is 1.
struct CommandFailure: LocalizedError, CustomStringConvertible {
    var description: String
    var errorDescription: String? { description }
}
