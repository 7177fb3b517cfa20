import KapokWorld

/// What the oracle found wrong.
public struct OracleViolation: Error, Sendable, CustomStringConvertible {
    public var description: String
}

/// Judges what clients saw. Every commit has a version, and versions are the order of commits, so a
/// history is linearizable when each key's writes, read in the order of their versions, explain
/// every observation and respect real time.
struct StoreOracle {
    typealias Key = [UInt8]

    /// One write: a value, or a deletion.
    struct Write: Equatable {
        var value: [UInt8]?
        var operation: UInt64
    }

    /// A conditional write that succeeded: between what it had read and itself lies nothing.
    private struct Succession {
        var key: Key
        var expected: UInt64?
        var version: UInt64
    }

    /// Writes known to have taken effect, by version.
    private var effective: [Key: [UInt64: Write]] = [:]
    /// Writes that may have taken effect, or may still do so.
    private var uncertain: [Key: [UInt64: Write]] = [:]
    private var successions: [Succession] = []
    private(set) var observations = 0

    /// What an observation that begins now must at least see of `key`.
    struct Floor {
        var version: UInt64
        var write: Write?
    }

    func floor(_ key: Key) -> Floor {
        guard let version = effective[key]?.keys.max() else { return Floor(version: 0, write: nil) }
        return Floor(version: version, write: effective[key]?[version])
    }

    /// A write is sent: from now on it may take effect.
    mutating func sent(_ key: Key, _ write: Write) {
        uncertain[key, default: [:]][write.operation] = write
    }

    /// A write surely did not take effect.
    mutating func refused(_ key: Key, operation: UInt64) {
        uncertain[key]?[operation] = nil
    }

    /// A write was acknowledged with its version. `floor` was taken when it was sent; `expected` is
    /// the version it replaced (0: nothing), when it was conditional.
    mutating func acknowledged(
        _ key: Key, _ write: Write, version: UInt64, floor: Floor, expected: UInt64?
    ) throws {
        uncertain[key]?[write.operation] = nil
        guard version > floor.version else {
            throw violation(key, "version \(version) after \(floor.version) was known")
        }
        if let other = effective[key]?[version], other != write {
            throw violation(key, "two writes of version \(version)")
        }
        effective[key, default: [:]][version] = write
        if let expected {
            successions.append(Succession(key: key, expected: expected, version: version))
        }
    }

    /// An entry was read, or its absence (`version` nil).
    mutating func observed(
        _ key: Key, version: UInt64?, value: [UInt8]?, floor: Floor
    ) throws {
        observations += 1
        guard let version else {
            if floor.write?.value == nil { return }
            let isDeleted =
                uncertain[key]?.values.contains { $0.value == nil } ?? false
                || effective[key]?.contains {
                    $0.key > floor.version && $0.value.value == nil
                } ?? false
            guard isDeleted else {
                throw violation(key, "version \(floor.version) was lost: the key is absent")
            }
            return
        }
        guard version >= floor.version else {
            throw violation(key, "version \(version) was read after \(floor.version) was known")
        }
        if let known = effective[key]?[version] {
            guard known.value == value else {
                throw violation(key, "version \(version) has a value nobody wrote")
            }
            return
        }
        guard let found = uncertain[key]?.values.first(where: { $0.value == value }) else {
            throw violation(key, "version \(version) was read, and nobody wrote it")
        }
        effective[key, default: [:]][version] = found
    }

    /// Checks what can only be judged when all is known.
    func checkSuccessions() throws {
        for succession in successions {
            let expected = succession.expected ?? 0
            for (version, write) in effective[succession.key] ?? [:]
            where version > expected && version < succession.version {
                // An expected absence may have been brought about by deletions.
                if expected == 0, write.value == nil { continue }
                if expected == 0, hasDeletion(succession.key, version, succession.version) {
                    continue
                }
                throw violation(
                    succession.key,
                    "a conditional write replaced version \(expected) as \(succession.version) "
                        + "although \(version) lies between")
            }
        }
    }

    /// Whether a deletion between the two versions is known or possible.
    private func hasDeletion(_ key: Key, _ from: UInt64, _ to: UInt64) -> Bool {
        if uncertain[key]?.values.contains(where: { $0.value == nil }) ?? false { return true }
        return effective[key]?.contains {
            $0.key > from && $0.key < to && $0.value.value == nil
        } ?? false
    }

    private func violation(_ key: Key, _ text: String) -> OracleViolation {
        OracleViolation(description: "key \(String(decoding: key, as: UTF8.self)): \(text)")
    }
}
