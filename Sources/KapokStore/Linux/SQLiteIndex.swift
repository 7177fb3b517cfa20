import CSQLite
import Synchronization

/// The index in a SQLite file: write-ahead log, `synchronous=FULL`, one writer, several readers.
///
/// A commit is one SQLite transaction and is durable when it returns. Readers see the last commit.
package final class SQLiteIndex: OrderedIndex {
    private let writer: SQLiteConnection
    private let readers: [SQLiteConnection]
    private let turn = Atomic<Int>(0)

    /// Opens or creates the index at `path`.
    ///
    /// - Parameter readerCount: how many reads may run at the same time.
    package init(path: String, readerCount: Int = 4) throws(IndexError) {
        writer = try SQLiteConnection(path: path, isWriter: true)
        var readers: [SQLiteConnection] = []
        for _ in 0..<readerCount {
            readers.append(try SQLiteConnection(path: path, isWriter: false))
        }
        self.readers = readers
    }

    private var reader: SQLiteConnection {
        let number = turn.wrappingAdd(1, ordering: .relaxed).oldValue
        return readers[Int(UInt(bitPattern: number) % UInt(readers.count))]
    }

    package func get(_ key: [UInt8]) throws(IndexError) -> [UInt8]? { try reader.get(key) }

    package func range(
        from: [UInt8], to: [UInt8], limit: Int
    ) throws(IndexError) -> [(key: [UInt8], value: [UInt8])] {
        try reader.range(from: from, to: to, limit: limit)
    }

    package func commit(_ commit: IndexCommit) throws(IndexError) -> Bool {
        try writer.commit(commit)
    }

    /// How many rows there are with `from <= key < to`.
    package func count(from: [UInt8], to: [UInt8]) throws(IndexError) -> Int {
        try reader.count(from: from, to: to)
    }

    /// Moves the write-ahead log into the file, as a clean end should.
    package func checkpoint() { writer.checkpoint() }
}

/// One connection with its prepared statements, used by one thread at a time.
private final class SQLiteConnection: @unchecked Sendable {
    private let lock = Mutex<Void>(())
    private let database: OpaquePointer
    private let getStatement: OpaquePointer
    private let rangeStatement: OpaquePointer
    private let putStatement: OpaquePointer?
    private let deleteStatement: OpaquePointer?

    init(path: String, isWriter: Bool) throws(IndexError) {
        var handle: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX
        guard sqlite3_open_v2(path, &handle, flags, nil) == SQLITE_OK, let handle else {
            let reason = handle.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
            sqlite3_close_v2(handle)
            throw .engine("\(path): \(reason)")
        }
        database = handle
        sqlite3_busy_timeout(handle, 10_000)
        if isWriter {
            try Self.execute(
                handle,
                """
                PRAGMA journal_mode=WAL;
                PRAGMA synchronous=FULL;
                PRAGMA wal_autocheckpoint=4000;
                PRAGMA cache_size=-16384;
                CREATE TABLE IF NOT EXISTS rows (
                    key BLOB NOT NULL PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
                """)
        } else {
            try Self.execute(handle, "PRAGMA query_only=1; PRAGMA cache_size=-8192;")
        }
        getStatement = try Self.prepare(handle, "SELECT value FROM rows WHERE key = ?1")
        rangeStatement = try Self.prepare(
            handle,
            "SELECT key, value FROM rows WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3")
        putStatement =
            isWriter
            ? try Self.prepare(
                handle,
                "INSERT INTO rows VALUES (?1, ?2) "
                    + "ON CONFLICT(key) DO UPDATE SET value = excluded.value") : nil
        deleteStatement =
            isWriter ? try Self.prepare(handle, "DELETE FROM rows WHERE key = ?1") : nil
    }

    deinit {
        for statement in [getStatement, rangeStatement, putStatement, deleteStatement] {
            sqlite3_finalize(statement)
        }
        sqlite3_close_v2(database)
    }

    // MARK: Statements

    private static func failure(_ database: OpaquePointer) -> IndexError {
        .engine(String(cString: sqlite3_errmsg(database)))
    }

    private static func execute(
        _ database: OpaquePointer, _ sql: String
    ) throws(IndexError) {
        guard sqlite3_exec(database, sql, nil, nil, nil) == SQLITE_OK else {
            throw failure(database)
        }
    }

    private static func prepare(
        _ database: OpaquePointer, _ sql: String
    ) throws(IndexError) -> OpaquePointer {
        var statement: OpaquePointer?
        guard
            sqlite3_prepare_v3(
                database, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
                == SQLITE_OK, let statement
        else { throw failure(database) }
        return statement
    }

    /// Binds without copying and runs `body` while the bytes stay where they are.
    private func withBound<R>(
        _ statement: OpaquePointer, _ index: Int32, _ bytes: [UInt8],
        _ body: () throws(IndexError) -> R
    ) throws(IndexError) -> R {
        let outcome = bytes.withUnsafeBytes { buffer -> Result<R, IndexError> in
            // An empty array may have no address, and NULL would bind SQL's NULL.
            if let address = buffer.baseAddress, !buffer.isEmpty {
                sqlite3_bind_blob64(statement, index, address, UInt64(buffer.count), nil)
            } else {
                sqlite3_bind_zeroblob(statement, index, 0)
            }
            do throws(IndexError) { return .success(try body()) } catch { return .failure(error) }
        }
        return try outcome.get()
    }

    private static func column(_ statement: OpaquePointer, _ index: Int32) -> [UInt8] {
        let count = Int(sqlite3_column_bytes(statement, index))
        guard count > 0, let address = sqlite3_column_blob(statement, index) else { return [] }
        return [UInt8](UnsafeRawBufferPointer(start: address, count: count))
    }

    // MARK: Reading

    func get(_ key: [UInt8]) throws(IndexError) -> [UInt8]? {
        try locked { () throws(IndexError) in try getLocked(key) }
    }

    private func locked<R>(_ body: () throws(IndexError) -> R) throws(IndexError) -> R {
        let outcome = lock.withLock { _ -> Result<Unchecked<R>, IndexError> in
            do throws(IndexError) {
                return .success(Unchecked(value: try body()))
            } catch { return .failure(error) }
        }
        return try outcome.get().value
    }

    private func getLocked(_ key: [UInt8]) throws(IndexError) -> [UInt8]? {
        try withBound(getStatement, 1, key) { () throws(IndexError) in
            defer { sqlite3_reset(getStatement) }
            switch sqlite3_step(getStatement) {
            case SQLITE_ROW: return Self.column(getStatement, 0)
            case SQLITE_DONE: return nil
            default: throw Self.failure(database)
            }
        }
    }

    func range(
        from: [UInt8], to: [UInt8], limit: Int
    ) throws(IndexError) -> [(key: [UInt8], value: [UInt8])] {
        try locked { () throws(IndexError) in
            try withBound(rangeStatement, 1, from) { () throws(IndexError) in
                try withBound(rangeStatement, 2, to) { () throws(IndexError) in
                    sqlite3_bind_int64(rangeStatement, 3, Int64(limit))
                    defer { sqlite3_reset(rangeStatement) }
                    var rows: [(key: [UInt8], value: [UInt8])] = []
                    while true {
                        switch sqlite3_step(rangeStatement) {
                        case SQLITE_ROW:
                            rows.append(
                                (Self.column(rangeStatement, 0), Self.column(rangeStatement, 1)))
                        case SQLITE_DONE: return rows
                        default: throw Self.failure(database)
                        }
                    }
                }
            }
        }
    }

    func count(from: [UInt8], to: [UInt8]) throws(IndexError) -> Int {
        try locked { () throws(IndexError) in
            let statement = try Self.prepare(
                database, "SELECT count(*) FROM rows WHERE key >= ?1 AND key < ?2")
            defer { sqlite3_finalize(statement) }
            return try withBound(statement, 1, from) { () throws(IndexError) in
                try withBound(statement, 2, to) { () throws(IndexError) in
                    guard sqlite3_step(statement) == SQLITE_ROW else {
                        throw Self.failure(database)
                    }
                    return Int(sqlite3_column_int64(statement, 0))
                }
            }
        }
    }

    // MARK: Writing

    func commit(_ commit: IndexCommit) throws(IndexError) -> Bool {
        try locked { () throws(IndexError) in
            try Self.execute(database, "BEGIN IMMEDIATE")
            do throws(IndexError) {
                for compare in commit.compares where try getLocked(compare.key) != compare.expected
                {
                    try Self.execute(database, "ROLLBACK")
                    return false
                }
                for change in commit.changes { try apply(change.key, change.value) }
                try Self.execute(database, "COMMIT")
                return true
            } catch {
                // A failed commit may already have ended the transaction.
                sqlite3_exec(database, "ROLLBACK", nil, nil, nil)
                throw error
            }
        }
    }

    private func apply(_ key: [UInt8], _ value: [UInt8]?) throws(IndexError) {
        guard let putStatement, let deleteStatement else {
            preconditionFailure("only the writer commits")
        }
        let statement = value == nil ? deleteStatement : putStatement
        try withBound(statement, 1, key) { () throws(IndexError) in
            try withBound(statement, value == nil ? 1 : 2, value ?? key) { () throws(IndexError) in
                defer { sqlite3_reset(statement) }
                guard sqlite3_step(statement) == SQLITE_DONE else { throw Self.failure(database) }
            }
        }
    }

    func checkpoint() {
        lock.withLock { _ in
            _ = sqlite3_wal_checkpoint_v2(database, nil, SQLITE_CHECKPOINT_TRUNCATE, nil, nil)
        }
    }
}

/// Carries a result out of a lock that it was made under.
private struct Unchecked<Value>: @unchecked Sendable {
    let value: Value
}
