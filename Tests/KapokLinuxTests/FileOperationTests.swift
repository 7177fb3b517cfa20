import Foundation
import KapokLinux
import KapokWorld
import Synchronization
import Testing

/// The ways to carry an operation out, which must not differ.
enum Way: CaseIterable, Sendable {
    case directly
    case threads
    case ring

    static var available: [Way] { allCases.filter { $0 != .ring || (try? IOEngine.ring()) != nil } }

    func run(_ operation: FileOperation) async throws -> Int32 {
        let engine: IOEngine
        switch self {
        case .directly: return operation.perform()
        case .threads: engine = try IOEngine.threadPool(threads: 2)
        case .ring: engine = try IOEngine.ring()
        }
        return await withCheckedContinuation { continuation in
            engine.submit(operation) { continuation.resume(returning: $0) }
        }
    }
}

@Suite("A file operation")
struct FileOperationTests {
    private func buffer(_ byte: UInt8, blocks: Int = 1) -> AlignedBuffer {
        let buffer = AlignedBuffer(byteCount: blocks * 4096)
        buffer.mutableBytes.initializeMemory(as: UInt8.self, repeating: byte)
        return buffer
    }

    @Test("writes, makes stable and reads back", arguments: Way.available)
    func roundTrip(_ way: Way) async throws {
        let directory = try Directory()
        let file = try OpenFile(path: directory.file("f"), mode: .new, direct: true)
        let source = buffer(0x42, blocks: 2)
        for isDurable in [false, true] {
            let write = FileOperation(
                .write(
                    buffer: source, bufferOffset: 4096, byteCount: 4096,
                    offset: isDurable ? 4096 : 0, isDurable: isDurable), on: file)
            #expect(try await way.run(write) == 0)
        }
        #expect(try await way.run(FileOperation(.synchronizeData, on: file)) == 0)
        let target = buffer(0, blocks: 3)
        let read = FileOperation(
            .read(buffer: target, bufferOffset: 4096, byteCount: 8192, offset: 0), on: file)
        #expect(try await way.run(read) == 0)
        #expect(target.bytes[4095] == 0)
        #expect(target.bytes[4096] == 0x42)
        #expect(target.bytes[12_287] == 0x42)
        #expect(try file.size() == 8192)
    }

    @Test("reports the end of the file, also when some bytes were read", arguments: Way.available)
    func endOfFile(_ way: Way) async throws {
        let directory = try Directory()
        let file = try OpenFile(path: directory.file("f"), mode: .new, direct: false)
        let target = buffer(0, blocks: 2)
        for size in [0, 4096, 5000] as [UInt64] {
            try file.preallocate(byteCount: max(size, 1))
            let read = FileOperation(
                .read(buffer: target, bufferOffset: 0, byteCount: 8192, offset: 0), on: file)
            #expect(try await way.run(read) == FileOperation.endOfFile)
        }
    }

    @Test("zeroes more than its piece of zeroes, and nothing around", arguments: Way.available)
    func zeroes(_ way: Way) async throws {
        let directory = try Directory()
        let file = try OpenFile(path: directory.file("f"), mode: .new, direct: true)
        let blocks = 300
        let source = buffer(0xFF, blocks: blocks)
        let all = FileOperation(
            .write(
                buffer: source, bufferOffset: 0, byteCount: source.count, offset: 0,
                isDurable: false), on: file)
        #expect(all.perform() == 0)
        let zero = FileOperation(
            .writeZeroes(byteCount: (blocks - 2) * 4096, offset: 4096, isDurable: true), on: file)
        #expect(try await way.run(zero) == 0)
        let read = FileOperation(
            .read(buffer: source, bufferOffset: 0, byteCount: source.count, offset: 0), on: file)
        #expect(read.perform() == 0)
        #expect(source.bytes[4095] == 0xFF)
        #expect(source.bytes[source.count - 4096] == 0xFF)
        let inner = source.baseAddress + 4096
        #expect(inner.load(as: UInt8.self) == 0)
        #expect(memcmp(inner, inner + 1, (blocks - 2) * 4096 - 1) == 0)
    }

    @Test("passes on that there is no space", arguments: Way.available)
    func noSpace(_ way: Way) async throws {
        // full(4): every write fails with ENOSPC.
        let file = try OpenFile(path: "/dev/full", mode: .existing, direct: false)
        let write = FileOperation(
            .write(
                buffer: buffer(1), bufferOffset: 0, byteCount: 4096, offset: 0, isDurable: false),
            on: file)
        #expect(try await way.run(write) == ENOSPC)
    }

    @Test("passes on that reading or flushing failed", arguments: Way.available)
    func inputOutputError(_ way: Way) async throws {
        // proc(5): nothing is mapped at address 0 of this process.
        let file = try OpenFile(path: "/proc/self/mem", mode: .existing, direct: false)
        let read = FileOperation(
            .read(buffer: buffer(0), bufferOffset: 0, byteCount: 4096, offset: 0), on: file)
        #expect(try await way.run(read) == EIO)
        #expect(try await way.run(FileOperation(.synchronizeData, on: file)) == EINVAL)
    }
}

@Suite("An I/O engine")
struct IOEngineTests {
    @Test(
        "completes each of more operations than it takes at a time, once",
        arguments: Way.available.filter { $0 != .directly })
    func bound(_ way: Way) throws {
        let directory = try Directory()
        let file = try OpenFile(path: directory.file("f"), mode: .new, direct: false)
        try file.preallocate(byteCount: 64 * 4096)
        let engine = try way == .ring ? IOEngine.ring() : IOEngine.threadPool(threads: 2)
        let target = AlignedBuffer(byteCount: 64 * 4096)
        let count = 6000
        let results = Monitor([Int](repeating: 0, count: count))
        let left = Monitor(count)
        for number in 0..<count {
            let slot = number % 64
            let read = FileOperation(
                .read(
                    buffer: target, bufferOffset: slot * 4096, byteCount: 4096,
                    offset: UInt64(slot) * 4096), on: file)
            engine.submit(read) { code in
                #expect(code == 0)
                results.withLock { $0[number] += 1 }
                left.withLock { $0 -= 1 }
                left.wakeAll()
            }
        }
        left.withLock(when: { $0 == 0 }) { _ in }
        #expect(results.withLock { $0 } == [Int](repeating: 1, count: count))
    }
}
