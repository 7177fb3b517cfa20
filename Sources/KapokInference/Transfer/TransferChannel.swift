import Glibc
import KapokLinux
import KapokModel
import KapokWorld

/// A frame that has arrived, but for a page's bytes.
struct ReceivedFrame {
    var message: ArraySlice<UInt8>
    /// Bytes of a page that follow.
    var pageBytes: Int
}

/// What a channel tells its owner while it reads.
protocol TransferChannelOwner: AnyObject {
    /// A message has come; for one with a page, where its bytes go, or nil to throw them away.
    func channel(
        _ channel: TransferChannel, received frame: ReceivedFrame
    ) throws(TransferFault) -> UnsafeMutableRawBufferPointer?
    /// The page of the last message is here: its code as it arrived; nil if it was thrown away.
    func channel(_ channel: TransferChannel, finishedPage code: TransferDigest?)
    /// The kernel has all bytes of a page of that job.
    func channel(_ channel: TransferChannel, sentPageOf job: UInt64)
}

/// Why a connection is closed.
struct TransferFault: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// Frames over a connected, non-blocking stream socket.
///
/// A frame is the length of its message and the length of its page (4 bytes each, little-endian),
/// the message, its code (16 bytes; zeros in the handshake), and the page's bytes. Reads take
/// exactly what the current part lacks, so that a page's bytes go from the kernel straight to their
/// place in the cache; writes gather message and page, so that they leave it the same way.
final class TransferChannel {
    private enum Reading {
        case prefix
        case message(count: Int, page: Int)
        case page(filled: Int, count: Int)
    }

    private struct Outgoing {
        var bytes: [UInt8]
        var page: UnsafeRawBufferPointer?
        var job: UInt64 = 0
        var sent = 0
        var count: Int { bytes.count + (page?.count ?? 0) }
    }

    /// Frames that wait to be sent: asks and pages are bounded by the cores; this bounds a peer
    /// that does not read.
    static let maximumQueue = 8192
    private static let prefixBytes = 8
    private static let scrapBytes = 64 << 10

    let descriptor: Int32
    private let pageBytes: Int
    private let takesPages: Bool
    /// The longest message that is taken.
    var maximumMessage: Int
    private var sendSeal: FrameSeal?
    private var receiveSeal: FrameSeal?
    private var reading = Reading.prefix
    private var input: [UInt8]
    private var filled = 0
    private var place: UnsafeMutableRawBufferPointer?
    private var scrap: [UInt8] = []
    private var queue: [Outgoing] = []
    private var head = 0
    private(set) var receivedBytes: UInt64 = 0
    private(set) var sentBytes: UInt64 = 0
    private(set) var fault: TransferFault?

    /// Takes the descriptor over. `takesPages` says whether the peer may send pages.
    init(descriptor: Int32, pageBytes: Int, takesPages: Bool, maximumMessage: Int) {
        self.descriptor = descriptor
        self.pageBytes = pageBytes
        self.takesPages = takesPages
        self.maximumMessage = maximumMessage
        input = [UInt8](repeating: 0, count: Self.prefixBytes)
    }

    deinit { close(descriptor) }

    /// From here on frames carry codes.
    func seal(_ session: TransferSession) {
        sendSeal = FrameSeal(key: session.sendKey)
        receiveSeal = FrameSeal(key: session.receiveKey)
    }

    /// Reads and writes nothing any more, though a call of it may still be under way.
    func abort() { fault = fault ?? TransferFault("the connection was given up") }

    var hasOutput: Bool { head < queue.count }

    // MARK: Sending

    /// Queues a message.
    func send(_ message: [UInt8]) { enqueue(message, page: nil, job: 0) }

    /// Queues a page's header and the page. `check` is asked when the code is made: whether the
    /// bytes that it covers were the page's.
    func send(
        _ header: PageHeader, page: UnsafeRawBufferPointer, job: UInt64, check: () -> Bool
    ) -> Bool {
        var header = header
        guard let seal = sendSeal else { preconditionFailure("a page before the handshake") }
        header.digest = seal.code(of: page, .page)
        guard check() else { return false }
        enqueue(TransferReply.page(header).encoded, page: page, job: job)
        return true
    }

    private func enqueue(_ message: [UInt8], page: UnsafeRawBufferPointer?, job: UInt64) {
        guard fault == nil else { return }
        guard queue.count - head < Self.maximumQueue else {
            fault = TransferFault("the peer does not read: \(Self.maximumQueue) frames wait")
            return
        }
        var writer = ByteWriter(minimumCapacity: message.count + 24)
        writer.uint32(UInt32(message.count))
        writer.uint32(UInt32(page?.count ?? 0))
        writer.raw(message)
        let code = writer.bytes.withUnsafeBytes { sendSeal?.code(of: $0, .message) }
        writer.uint64(code?.low ?? 0)
        writer.uint64(code?.high ?? 0)
        sendSeal?.advance()
        queue.append(Outgoing(bytes: writer.bytes, page: page, job: job))
    }

    /// Writes as much as the kernel takes.
    func flush(_ owner: some TransferChannelOwner) throws(TransferFault) {
        if let fault { throw fault }
        while head < queue.count {
            let written = try write(queue[head])
            guard written > 0 else { break }
            sentBytes += UInt64(written)
            queue[head].sent += written
            guard queue[head].sent == queue[head].count else { continue }
            let done = queue[head]
            queue[head].bytes = []
            head += 1
            if done.page != nil { owner.channel(self, sentPageOf: done.job) }
        }
        if head == queue.count || head > 256 {
            queue.removeFirst(head)
            head = 0
        }
    }

    /// Bytes that the kernel took; 0 when it takes none now.
    private func write(_ frame: Outgoing) throws(TransferFault) -> Int {
        let result = frame.bytes.withUnsafeBytes { bytes in
            var parts: [iovec] = []
            func add(_ part: UnsafeRawBufferPointer, from start: Int) {
                guard start < part.count else { return }
                parts.append(
                    iovec(
                        iov_base: UnsafeMutableRawPointer(mutating: part.baseAddress! + start),
                        iov_len: part.count - start))
            }
            add(bytes, from: frame.sent)
            if let page = frame.page { add(page, from: max(0, frame.sent - bytes.count)) }
            return parts.withUnsafeMutableBufferPointer { parts in
                var message = msghdr()
                message.msg_iov = parts.baseAddress
                message.msg_iovlen = parts.count
                return sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL))
            }
        }
        if result >= 0 { return result }
        if errno == EAGAIN || errno == EINTR { return 0 }
        throw TransferFault("sending: \(String(cString: strerror(errno)))")
    }

    // MARK: Receiving

    /// Throws away what still arrives of the current page.
    func discardPage() { if case .page = reading { place = nil } }

    /// Reads what there is, up to some frames, so that other connections get their turn.
    func receive(_ owner: some TransferChannelOwner) throws(TransferFault) {
        for _ in 0..<64 {
            if let fault { throw fault }
            switch reading {
            case .prefix:
                guard try fill(Self.prefixBytes) else { return }
                try readPrefix()
            case .message(let count, let page):
                guard try fill(Self.prefixBytes + count + FrameSeal.codeBytes) else { return }
                try readMessage(count: count, page: page, owner)
            case .page(let filled, let count):
                guard try fillPage(filled, count, owner) else { return }
            }
        }
    }

    /// Reads until `input` holds `count` bytes; false when they are not there yet.
    private func fill(_ count: Int) throws(TransferFault) -> Bool {
        while filled < count {
            let got = try read { descriptor in
                input.withUnsafeMutableBytes {
                    recv(descriptor, $0.baseAddress! + filled, count - filled, 0)
                }
            }
            guard got > 0 else { return false }
            filled += got
        }
        return true
    }

    /// Bytes read; 0 when there are none now. The end of the stream is a fault.
    private func read(_ body: (Int32) -> Int) throws(TransferFault) -> Int {
        let result = body(descriptor)
        if result > 0 {
            receivedBytes += UInt64(result)
            return result
        }
        if result == 0 { throw TransferFault("the peer closed the connection") }
        if errno == EAGAIN || errno == EINTR { return 0 }
        throw TransferFault("receiving: \(String(cString: strerror(errno)))")
    }

    private func readPrefix() throws(TransferFault) {
        func word(_ at: Int) -> Int {
            (0..<4).reduce(0) { $0 | Int(input[at + $1]) << (8 * $1) }
        }
        let (count, page) = (word(0), word(4))
        guard count > 0, count <= maximumMessage else {
            throw TransferFault("a message of \(count) bytes; at most \(maximumMessage) are taken")
        }
        guard page == 0 || (takesPages && receiveSeal != nil && page == pageBytes) else {
            throw TransferFault("a page of \(page) bytes where none belongs")
        }
        let whole = Self.prefixBytes + count + FrameSeal.codeBytes
        if input.count < whole {
            input.append(contentsOf: repeatElement(0, count: whole - input.count))
        }
        reading = .message(count: count, page: page)
    }

    private func readMessage(
        count: Int, page: Int, _ owner: some TransferChannelOwner
    ) throws(TransferFault) {
        let end = Self.prefixBytes + count
        if let seal = receiveSeal {
            let code = input.withUnsafeBytes { bytes in
                seal.code(of: UnsafeRawBufferPointer(rebasing: bytes[..<end]), .message)
            }
            guard code == TransferDigest(input[end..<end + FrameSeal.codeBytes]) else {
                throw TransferFault("a frame's authentication code is wrong")
            }
        }
        filled = 0
        // Before the owner hears of it: the handshake's last message makes it set a new seal. A
        // page's code has the number of its message.
        if page == 0 { receiveSeal?.advance() }
        reading = page == 0 ? .prefix : .page(filled: 0, count: page)
        let message = input[Self.prefixBytes..<end]
        place = try owner.channel(
            self, received: ReceivedFrame(message: message, pageBytes: page))
        // Of a long prompt not all memory is kept.
        if input.count > Self.scrapBytes {
            input = [UInt8](repeating: 0, count: Self.prefixBytes)
        }
    }

    /// Reads bytes of a page; false when there are none now.
    private func fillPage(
        _ start: Int, _ count: Int, _ owner: some TransferChannelOwner
    ) throws(TransferFault) -> Bool {
        let got: Int
        if let place {
            got = try read { recv($0, place.baseAddress! + start, count - start, 0) }
        } else {
            if scrap.isEmpty { scrap = [UInt8](repeating: 0, count: Self.scrapBytes) }
            got = try read { descriptor in
                scrap.withUnsafeMutableBytes {
                    recv(descriptor, $0.baseAddress, min(count - start, $0.count), 0)
                }
            }
        }
        guard got > 0 else { return false }
        if let fault { throw fault }
        guard start + got == count else {
            reading = .page(filled: start + got, count: count)
            return true
        }
        let code = place.flatMap { place in
            receiveSeal?.code(of: UnsafeRawBufferPointer(rebasing: place[..<count]), .page)
        }
        reading = .prefix
        place = nil
        receiveSeal?.advance()
        owner.channel(self, finishedPage: code)
        return true
    }
}
