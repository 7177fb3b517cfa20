import Foundation
import KapokLinux
import KapokS3
public import KapokStore

/// The store of a state directory, for a person at the command line: through the region that runs
/// on it, or, when none does, opened for the time of a command.
public final class StoreAdministration: Sendable {
    private enum Access {
        case running(APIClient)
        case opened(StoreService, FileLock)
    }

    private let access: Access

    /// Finds out whether a region runs on `directory`, and opens the store when none does.
    ///
    /// - Parameter environment: `KAPOK_ACCESS_KEY` and `KAPOK_SECRET_KEY` are looked for here.
    public init(directory: String, environment: [String: String]) throws {
        switch try Self.lock(directory) {
        case .taken(let lock):
            do throws(StoreOpenError) {
                access = .opened(
                    try StoreService.open(StoreOptions(directory: directory)), lock)
            } catch { throw RegionError("\(error)") }
        case .held(let holder):
            access = .running(try Self.client(directory, holder, environment))
        }
    }

    /// Whether a region is asked, rather than the store opened.
    public var isRegionRunning: Bool {
        if case .running = access { return true }
        return false
    }

    /// Lets the store go, if it was opened.
    public func close() async {
        guard case .opened(let store, let lock) = access else { return }
        await store.close()
        lock.release()
    }

    // MARK: Commands

    /// The store's state.
    public func status() async throws -> StatusDocument {
        switch access {
        case .running(let client):
            return try await client.send(.get, "/v1/status", as: StatusDocument.self)
        case .opened(let store, _):
            let objects = try await store.count(
                from: ObjectSpace.keys.from, to: ObjectSpace.keys.to)
            return StatusDocument(store.report(), objects: objects)
        }
    }

    /// The state of the drives.
    public func drives() async throws -> DrivesDocument {
        switch access {
        case .running(let client):
            return try await client.send(.get, "/v1/drives", as: DrivesDocument.self)
        case .opened(let store, _): return DrivesDocument(store.report())
        }
    }

    /// Reads and verifies everything.
    ///
    /// - Parameter progress: told the stripes done and in all.
    public func check(
        progress: @escaping @Sendable (_ done: Int, _ of: Int) -> Void
    ) async throws -> CheckDocument {
        switch access {
        case .running(let client):
            var report: CheckReport?
            try await client.send(.post, "/v1/check") { line in
                let line = try JSONDecoder().decode(CheckLine.self, from: line)
                if let step = line.progress { progress(step.done, step.of) }
                if let error = line.error { throw RegionError(error.message) }
                if let found = line.report { report = found }
            }
            guard let report else { throw RegionError("the check ended without a report") }
            return CheckDocument(report)
        case .opened(let store, _):
            return CheckDocument(try await store.check(progress: progress))
        }
    }

    /// Puts a new, empty drive in the place of one that has failed.
    public func replaceDrive(_ position: Int) async throws -> DriveDocument {
        switch access {
        case .running(let client):
            return try await client.send(
                .post, "/v1/drives/\(position)/replace", as: DriveDocument.self)
        case .opened(let store, _):
            do throws(StoreOpenError) { try await store.replaceDrive(position) } catch {
                throw RegionError("\(error)")
            }
            return DriveDocument(store.report().drives[position])
        }
    }

    /// Makes the index of the store in `directory` anew from its drives. No region may run on it.
    ///
    /// - Parameter progress: told the extents done and in all.
    public static func rebuildIndex(
        directory: String, progress: (_ done: Int, _ of: Int) -> Void
    ) throws -> RebuildReport {
        switch try lock(directory) {
        case .taken(let lock):
            defer { lock.release() }
            do throws(StoreOpenError) {
                return try StoreService.rebuildIndex(directory: directory, progress: progress)
            } catch { throw RegionError("\(error)") }
        case .held(let holder):
            throw RegionError(
                "a region runs on \(directory) (\(holder)), and its index is in use: stop it first")
        }
    }

    // MARK: Finding the region

    private enum Lock {
        case taken(FileLock)
        case held(by: String)
    }

    /// Takes the state directory as a region does, so that the two never work on it together.
    private static func lock(_ directory: String) throws -> Lock {
        let drives = (try? FileManager.default.contentsOfDirectory(atPath: directory + "/drives"))
        guard let drives, !drives.isEmpty else {
            throw RegionError(
                "there is no store in \(directory): `kapok up` makes one, and --data names another "
                    + "place")
        }
        do throws(FileLockError) {
            return .taken(try FileLock(path: directory + "/lock"))
        } catch {
            guard case .held(_, let holder) = error else { throw RegionError("\(error)") }
            return .held(by: holder)
        }
    }

    private static func client(
        _ directory: String, _ holder: String, _ environment: [String: String]
    ) throws -> APIClient {
        struct AddressFile: Decodable { var api: String }
        guard
            let data = FileManager.default.contents(atPath: Region.addressPath(in: directory)),
            let address = try? JSONDecoder().decode(AddressFile.self, from: data)
        else {
            throw RegionError(
                "\(directory) is in use (\(holder)) and no region serves there yet: it starts or "
                    + "ends, or another command works on it. Try again")
        }
        let hasFile = FileManager.default.fileExists(atPath: directory + "/keys.json")
        guard hasFile || !(environment["KAPOK_SECRET_KEY"] ?? "").isEmpty else {
            // Loading would make new ones, which the region does not know.
            throw RegionError(
                "the region on \(directory) has its keys from its environment: set "
                    + "KAPOK_ACCESS_KEY and KAPOK_SECRET_KEY here, too")
        }
        let keys = try RegionKeys.load(directory: directory, environment: environment)
        return try APIClient(url: address.api, secret: keys.primary.secret)
    }
}
