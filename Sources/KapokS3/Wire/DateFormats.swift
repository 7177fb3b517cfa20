import Glibc

/// The wall clock, as requests and objects are dated by it.
enum WallClock {
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    static func nowNanoseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    static func nowSeconds() -> Int64 { nowNanoseconds() / 1_000_000_000 }
}

/// The date formats of S3: HTTP dates (RFC 9110 section 5.6.7), ISO 8601 with milliseconds (XML
/// bodies), and the basic ISO 8601 form of SigV4 (`20130524T000000Z`).
enum DateFormats {
    private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// `Fri, 24 May 2013 00:00:00 GMT`.
    static func http(unixSeconds: Int64) -> String {
        let time = CalendarTime(unixSeconds: unixSeconds)
        return String(unsafeUninitializedCapacity: 29) { out in
            var text = DigitWriter(out)
            text.string(weekdays[time.weekday])
            text.string(", ")
            text.digits(time.day, 2)
            text.string(" ")
            text.string(months[time.month - 1])
            text.string(" ")
            text.digits(time.year, 4)
            text.string(" ")
            text.digits(time.hour, 2)
            text.string(":")
            text.digits(time.minute, 2)
            text.string(":")
            text.digits(time.second, 2)
            text.string(" GMT")
            return text.count
        }
    }

    /// `2013-05-24T00:00:00.000Z`.
    static func iso8601(unixMilliseconds: Int64) -> String {
        let milliseconds = ((unixMilliseconds % 1000) + 1000) % 1000
        let time = CalendarTime(unixSeconds: (unixMilliseconds - milliseconds) / 1000)
        return String(unsafeUninitializedCapacity: 24) { out in
            var text = DigitWriter(out)
            text.digits(time.year, 4)
            text.string("-")
            text.digits(time.month, 2)
            text.string("-")
            text.digits(time.day, 2)
            text.string("T")
            text.digits(time.hour, 2)
            text.string(":")
            text.digits(time.minute, 2)
            text.string(":")
            text.digits(time.second, 2)
            text.string(".")
            text.digits(Int(milliseconds), 3)
            text.string("Z")
            return text.count
        }
    }

    /// `20130524T000000Z`.
    static func basic(unixSeconds: Int64) -> String {
        let time = CalendarTime(unixSeconds: unixSeconds)
        return String(unsafeUninitializedCapacity: 16) { out in
            var text = DigitWriter(out)
            text.digits(time.year, 4)
            text.digits(time.month, 2)
            text.digits(time.day, 2)
            text.string("T")
            text.digits(time.hour, 2)
            text.digits(time.minute, 2)
            text.digits(time.second, 2)
            text.string("Z")
            return text.count
        }
    }

    /// Seconds since 1970 of `20130524T000000Z`; nil for any other form.
    static func parseBasic(_ text: some StringProtocol) -> Int64? {
        let bytes = Array(text.utf8)
        guard bytes.count == 16, bytes[8] == UInt8(ascii: "T"), bytes[15] == UInt8(ascii: "Z"),
            let year = number(bytes[0..<4]), let month = number(bytes[4..<6]),
            let day = number(bytes[6..<8]), let hour = number(bytes[9..<11]),
            let minute = number(bytes[11..<13]), let second = number(bytes[13..<15])
        else { return nil }
        return CalendarTime(
            year: year, month: month, day: day, hour: hour, minute: minute, second: second
        )?.unixSeconds
    }

    /// Seconds since 1970 of `2013-05-24T00:00:00Z`, with or without a fraction, which is dropped;
    /// nil for any other form.
    static func parseISO8601(_ text: String) -> Int64? {
        let bytes = Array(text.utf8)
        guard bytes.count >= 20, bytes.count <= 30, bytes.last == UInt8(ascii: "Z"),
            bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
            bytes[10] == UInt8(ascii: "T"), bytes[13] == UInt8(ascii: ":"),
            bytes[16] == UInt8(ascii: ":"),
            let year = number(bytes[0..<4]), let month = number(bytes[5..<7]),
            let day = number(bytes[8..<10]), let hour = number(bytes[11..<13]),
            let minute = number(bytes[14..<16]), let second = number(bytes[17..<19])
        else { return nil }
        let fraction = bytes[19..<(bytes.count - 1)]
        guard
            fraction.isEmpty
                || (fraction.count >= 2 && fraction.first == UInt8(ascii: ".")
                    && fraction.dropFirst().allSatisfy { $0 >= 48 && $0 <= 57 })
        else { return nil }
        return CalendarTime(
            year: year, month: month, day: day, hour: hour, minute: minute, second: second
        )?.unixSeconds
    }

    /// Seconds since 1970 of an HTTP date in any of its three forms (RFC 1123, RFC 850, asctime);
    /// nil for anything else. The weekday is not checked.
    static func parseHTTP(_ text: String) -> Int64? {
        let fields = text.split(whereSeparator: { $0 == " " || $0 == "," || $0 == "-" })
        // Mail writes GMT as -0000, and so does botocore; the hyphen is gone here.
        if fields.count == 6, ["GMT", "UTC", "+0000", "0000"].contains(fields[5]) {
            return httpTime(day: fields[1], month: fields[2], year: fields[3], clock: fields[4])
        }
        if fields.count == 5 {
            return httpTime(day: fields[2], month: fields[1], year: fields[4], clock: fields[3])
        }
        return nil
    }

    private static func httpTime(
        day: Substring, month: Substring, year: Substring, clock: Substring
    ) -> Int64? {
        let clockFields = clock.split(separator: ":", omittingEmptySubsequences: false)
        guard let monthIndex = months.firstIndex(where: { $0 == month }), clockFields.count == 3,
            let day = number(Array(day.utf8)), var fullYear = number(Array(year.utf8)),
            let hour = number(Array(clockFields[0].utf8)),
            let minute = number(Array(clockFields[1].utf8)),
            let second = number(Array(clockFields[2].utf8))
        else { return nil }
        // RFC 850 years have two digits.
        if year.utf8.count == 2 { fullYear += fullYear < 70 ? 2000 : 1900 }
        return CalendarTime(
            year: fullYear, month: monthIndex + 1, day: day, hour: hour, minute: minute,
            second: second
        )?.unixSeconds
    }

    private static func number(_ digits: some Collection<UInt8>) -> Int? {
        guard (1...4).contains(digits.count) else { return nil }
        var value = 0
        for digit in digits {
            guard digit >= 48, digit <= 57 else { return nil }
            value = value * 10 + Int(digit - 48)
        }
        return value
    }
}

/// Writes fixed-width decimal fields into a string's memory.
private struct DigitWriter {
    private let out: UnsafeMutableBufferPointer<UInt8>
    private(set) var count = 0

    init(_ out: UnsafeMutableBufferPointer<UInt8>) { self.out = out }

    mutating func string(_ text: String) {
        for byte in text.utf8 {
            out[count] = byte
            count += 1
        }
    }

    mutating func digits(_ value: Int, _ width: Int) {
        var rest = value
        var i = count + width - 1
        while i >= count {
            out[i] = 48 + UInt8(rest % 10)
            rest /= 10
            i -= 1
        }
        count += width
    }
}
