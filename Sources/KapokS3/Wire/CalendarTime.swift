/// A time of day and a date in UTC, by the proleptic Gregorian calendar without leap seconds.
struct CalendarTime: Hashable, Sendable {
    var year: Int
    /// 1 to 12.
    var month: Int
    /// 1 to 31.
    var day: Int
    var hour: Int
    var minute: Int
    var second: Int

    /// The time `unixSeconds` after 1970-01-01T00:00:00Z.
    init(unixSeconds: Int64) {
        let days = unixSeconds.dividedFloor(by: 86_400)
        let rest = Int(unixSeconds - days * 86_400)
        hour = rest / 3600
        minute = rest / 60 % 60
        second = rest % 60
        // Years begin in March here, so that the leap day is a year's last.
        let shifted = days + 719_468
        let era = shifted.dividedFloor(by: 146_097)
        let dayOfEra = Int(shifted - era * 146_097)
        let yearOfEra =
            (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        year = yearOfEra + Int(era) * 400 + (month <= 2 ? 1 : 0)
    }

    /// Nil unless the fields name a day that exists and a time from 00:00:00 to 23:59:60.
    init?(year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int) {
        guard (1970...9999).contains(year), (1...12).contains(month),
            (1...Self.daysInMonth(month, of: year)).contains(day), (0...23).contains(hour),
            (0...59).contains(minute), (0...60).contains(second)
        else { return nil }
        self.year = year
        self.month = month
        self.day = day
        self.hour = hour
        self.minute = minute
        self.second = second
    }

    private static func daysInMonth(_ month: Int, of year: Int) -> Int {
        switch month {
        case 4, 6, 9, 11: 30
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        default: 31
        }
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    var unixSeconds: Int64 {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = Int64(shiftedYear).dividedFloor(by: 400)
        let yearOfEra = Int64(shiftedYear) - era * 400
        let shiftedMonth = Int64(month > 2 ? month - 3 : month + 9)
        let dayOfYear = (153 * shiftedMonth + 2) / 5 + Int64(day) - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        let days = era * 146_097 + dayOfEra - 719_468
        return days * 86_400 + Int64(hour * 3600 + minute * 60 + second)
    }

    /// 0 for Sunday.
    var weekday: Int {
        let days = unixSeconds.dividedFloor(by: 86_400)
        return Int((days + 4) - (days + 4).dividedFloor(by: 7) * 7)
    }
}

extension Int64 {
    /// The quotient rounded towards negative infinity; `divisor` is positive.
    fileprivate func dividedFloor(by divisor: Int64) -> Int64 {
        self >= 0 ? self / divisor : (self + 1) / divisor - 1
    }
}
