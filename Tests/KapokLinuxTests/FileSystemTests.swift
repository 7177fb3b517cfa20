import Foundation
import KapokLinux
import Testing

@testable import struct KapokLinux.JobQueue

@Suite("Files and file systems")
struct FileSystemTests {
    @Test(
        "names the directory of a path",
        arguments: [
            ("/a/b/c", "/a/b"), ("/a", "/"), ("a/b", "a"), ("a", "."),
        ])
    func directory(_ path: String, _ expected: String) {
        #expect(FileSystem.directory(of: path) == expected)
    }

    @Test("tells memory from disk and how much is free")
    func kinds() throws {
        let memory = try FileSystem(path: "/dev/shm")
        #expect(memory.kind == .tmpfs)
        #expect(memory.isMemory)
        #expect(memory.availableBytes <= memory.totalBytes)
        // Its number in statfs(2).
        #expect(try FileSystem(path: "/proc").kind == .other(magic: 0x9FA0))
        #expect(throws: SystemError(code: ENOENT, call: "statfs", path: "/nowhere/at/all")) {
            try FileSystem(path: "/nowhere/at/all")
        }
    }

    @Test("renames to new names only")
    func rename() throws {
        let directory = try Directory()
        let (old, new) = (directory.file("old"), directory.file("new"))
        try Data("a".utf8).write(to: URL(fileURLWithPath: old))
        try FileSystem.renameToNew(old, new)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["new"])
        try Data("b".utf8).write(to: URL(fileURLWithPath: old))
        #expect(throws: SystemError(code: EEXIST, call: "link", path: new)) {
            try FileSystem.renameToNew(old, new)
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: new)) == Data("a".utf8))
        try FileSystem.delete(old)
        try FileSystem.delete(old)
        try FileSystem.synchronizeDirectory(directory.path)
    }

    @Test("makes new files only when there is none, with one locker at a time")
    func openFile() throws {
        let directory = try Directory()
        let path = directory.file("f")
        let first = try OpenFile(path: path, mode: .new, direct: false)
        #expect(throws: SystemError(code: EEXIST, call: "open", path: path)) {
            try OpenFile(path: path, mode: .new, direct: false)
        }
        let second = try OpenFile(path: path, mode: .existing, direct: false)
        #expect(try first.lockExclusively())
        #expect(try !second.lockExclusively())
        first.unlock()
        #expect(try second.lockExclusively())
    }
}

@Suite("A queue of jobs")
struct JobQueueTests {
    @Test("hands out in order while it wraps around and grows")
    func order() {
        var queue = JobQueue<Int>()
        var (next, expected) = (0, 0)
        for round in 1...60 {
            for _ in 0..<round * 3 {
                queue.append(next)
                next += 1
            }
            for _ in 0..<round * 2 {
                #expect(queue.popFirst() == expected)
                expected += 1
            }
            #expect(queue.count == next - expected)
        }
        while let job = queue.popFirst() {
            #expect(job == expected)
            expected += 1
        }
        #expect(expected == next)
        #expect(queue.isEmpty)
    }
}
