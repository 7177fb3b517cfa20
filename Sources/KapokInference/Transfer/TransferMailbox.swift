import Glibc
import KapokLinux
import Synchronization

/// Where other threads leave letters for a loop, which a pipe wakes.
final class TransferMailbox<Letter: Sendable>: Sendable {
    /// Becomes readable when there is a letter.
    let descriptor: Int32
    private let writer: Int32
    private let bound: Int
    private let letters = Mutex<[Letter]>([])

    /// Room for `bound` letters.
    init(bound: Int) throws(SystemError) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw SystemError(code: errno, call: "pipe") }
        for end in ends { TransferSockets.makePrivate(end) }
        (descriptor, writer) = (ends[0], ends[1])
        self.bound = bound
    }

    deinit {
        close(descriptor)
        close(writer)
    }

    /// Puts a letter in; false when too many wait.
    func post(_ letter: Letter) -> Bool {
        post { letters in
            guard letters.count < bound else { return false }
            letters.append(letter)
            return true
        }
    }

    /// Puts a letter in the place of the last one that `replaces` says it makes worthless.
    func post(_ letter: Letter, replacing replaces: (Letter) -> Bool) {
        _ = post { letters in
            if let index = letters.lastIndex(where: replaces) {
                letters[index] = letter
            } else {
                letters.append(letter)
            }
            return true
        }
    }

    private func post(_ change: (inout [Letter]) -> Bool) -> Bool {
        let (isTaken, isFirst) = letters.withLock { letters in
            let isFirst = letters.isEmpty
            return (change(&letters), isFirst)
        }
        if isTaken, isFirst {
            // A full pipe wakes the loop just as well.
            var byte: UInt8 = 1
            _ = write(writer, &byte, 1)
        }
        return isTaken
    }

    /// Takes all letters out.
    func takeAll() -> [Letter] {
        var bytes = [UInt8](repeating: 0, count: 64)
        while read(descriptor, &bytes, bytes.count) == bytes.count {}
        return letters.withLock { letters in
            let all = letters
            letters.removeAll(keepingCapacity: true)
            return all
        }
    }
}
