/// A date and a time of day, as templates print them.
public struct CivilTime: Hashable, Sendable {
    /// The year, in the Gregorian calendar.
    /// The year of the Gregorian calendar.
    public var year: Int
    /// 1 to 12.
    public var month: Int
    /// 1 to 31.
    public var day: Int
    /// 0 to 23.
    public var hour: Int
    /// 0 to 59.
    public var minute: Int
    /// 0 to 59.
    public var second: Int

    /// A time from its parts.
    public init(
        year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0
    ) {
        self.year = year
        self.month = min(max(month, 1), 12)
        self.day = min(max(day, 1), 31)
        self.hour = hour
        self.minute = minute
        self.second = second
    }

    /// The time in UTC that is so many seconds after the beginning of 1970.
    public init(secondsSince1970 seconds: Int64) {
        let days = (Double(seconds) / 86_400).rounded(.down)
        let rest = Int(seconds - Int64(days) * 86_400)
        // Civil dates from day numbers: Hinnant, "chrono-Compatible Low-Level Date Algorithms".
        let shifted = Int(days) + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        self.init(
            year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month: month,
            day: dayOfYear - (153 * shiftedMonth + 2) / 5 + 1, hour: rest / 3600,
            minute: rest / 60 % 60, second: rest % 60)
    }

    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September",
        "October", "November", "December",
    ]
    private static let weekdays = [
        "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
    ]

    /// Sakamoto's method: 0 is Sunday.
    private var weekday: Int {
        let offsets = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4]
        let y = month < 3 ? year - 1 : year
        return ((y + y / 4 - y / 100 + y / 400 + offsets[month - 1] + day) % 7 + 7) % 7
    }

    private var dayOfYear: Int {
        let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334]
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        return before[month - 1] + day + (isLeap && month > 2 ? 1 : 0)
    }

    /// The time in a form of `strftime`, with the C locale's names; nil for a form that is not
    /// known.
    func formatted(_ format: String) -> String? {
        var text = ""
        var scalars = format.unicodeScalars.makeIterator()
        while let next = scalars.next() {
            guard next == "%" else {
                text.unicodeScalars.append(next)
                continue
            }
            guard var kind = scalars.next() else { return nil }
            let isBare = kind == "-"
            if isBare {
                guard let next = scalars.next() else { return nil }
                kind = next
            }
            guard let field = field(kind, isBare: isBare) else { return nil }
            text += field
        }
        return text
    }

    private func field(_ kind: Unicode.Scalar, isBare: Bool) -> String? {
        func number(_ value: Int, _ width: Int) -> String {
            let digits = String(value)
            return isBare
                ? digits : String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        switch kind {
        case "Y": return String(year)
        case "y": return number(((year % 100) + 100) % 100, 2)
        case "m": return number(month, 2)
        case "d": return number(day, 2)
        case "e": return (day < 10 && !isBare ? " " : "") + String(day)
        case "H": return number(hour, 2)
        case "I": return number((hour + 11) % 12 + 1, 2)
        case "M": return number(minute, 2)
        case "S": return number(second, 2)
        case "j": return number(dayOfYear, 3)
        case "p": return hour < 12 ? "AM" : "PM"
        case "B": return Self.months[month - 1]
        case "b", "h": return String(Self.months[month - 1].prefix(3))
        case "A": return Self.weekdays[weekday]
        case "a": return String(Self.weekdays[weekday].prefix(3))
        case "w": return String(weekday)
        case "F": return "\(year)-\(number(month, 2))-\(number(day, 2))"
        case "T": return "\(number(hour, 2)):\(number(minute, 2)):\(number(second, 2))"
        case "Z": return "UTC"
        case "z": return "+0000"
        case "%": return "%"
        default: return nil
        }
    }
}
