import CUring
import Glibc

/// A thread of our own, for work that blocks. (Swift's cooperative threads must not block.) Nobody
/// joins it: whoever needs to know its end has it tell.
public struct NativeThread: @unchecked Sendable {
    private final class Start {
        let name: String
        let body: @Sendable () -> Void
        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    private let handle: pthread_t

    /// Starts a thread that runs `body` and ends. Fifteen bytes of `name` show in `ps -L` and
    /// `top`.
    public init(name: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
        let visibleName = String(decoding: name.utf8.prefix(15), as: UTF8.self)
        let start = Unmanaged.passRetained(Start(name: visibleName, body: body))
        var thread = pthread_t()
        let result = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                kapok_name_thread(start.name)
                start.body()
                return nil
            }, start.toOpaque())
        guard result == 0 else {
            start.release()
            throw SystemError(code: result, call: "pthread_create")
        }
        pthread_detach(thread)
        handle = thread
    }

    /// Whether the caller runs on this thread.
    public var isCurrent: Bool { pthread_equal(handle, pthread_self()) != 0 }
}
