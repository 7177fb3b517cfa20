import Foundation

/// A line of progress on standard error that is written over again and again; nothing at all when
/// that is no terminal.
enum TerminalLine {
    private static let isTerminal = isatty(STDERR_FILENO) == 1

    /// Shows `text` in place of what was shown before.
    static func show(_ text: @autoclosure () -> String) {
        guard isTerminal else { return }
        FileHandle.standardError.write(Data("\r\u{1B}[K\(text())".utf8))
    }

    /// Takes the line away.
    static func clear() { show("") }
}
