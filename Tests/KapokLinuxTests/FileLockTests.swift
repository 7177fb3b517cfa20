import Foundation
import KapokLinux
import Testing

@Suite("A file lock")
struct FileLockTests {
    @Test("has one holder, whose text others are shown")
    func exclusion() throws {
        let directory = try Directory()
        let path = directory.file("lock")
        let first = try FileLock(path: path, holder: "kapok up, process 12")
        #expect(throws: FileLockError.held(path: path, holder: "kapok up, process 12")) {
            try FileLock(path: path)
        }
        first.release()
        let second = try FileLock(path: path, holder: "another")
        #expect(throws: FileLockError.held(path: path, holder: "another")) {
            try FileLock(path: path)
        }
        withExtendedLifetime(second) {}
    }

    @Test("names the process when told nothing else")
    func processNumber() throws {
        let directory = try Directory()
        let path = directory.file("lock")
        let lock = try FileLock(path: path)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "process \(getpid())")
        withExtendedLifetime(lock) {}
    }

    @Test("shows no control characters that somebody wrote into the file")
    func hostileText() throws {
        let directory = try Directory()
        let path = directory.file("lock")
        let lock = try FileLock(path: path, holder: "a\u{1B}[2Jb")
        #expect(throws: FileLockError.held(path: path, holder: "a[2Jb")) {
            try FileLock(path: path)
        }
        withExtendedLifetime(lock) {}
    }

    @Test("cannot be taken where no file can be made")
    func noDirectory() throws {
        let directory = try Directory()
        let path = directory.file("missing/lock")
        #expect(throws: FileLockError.system(SystemError(code: ENOENT, call: "open", path: path))) {
            try FileLock(path: path)
        }
    }
}
