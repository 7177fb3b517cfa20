/// The time stamp of a signature: `20260131T235959Z`, computed without a calendar library.
struct SigningDate: Equatable {
    /// Sixteen ASCII characters; the first eight are the date of the credential scope.
    let text: [UInt8]

    /// `seconds` since 1970 (UTC), up to the year 9999.
    init(secondsSince1970 seconds: Int) {
        let day = seconds / 86_400
        let time = seconds % 86_400
        let (year, month, dayOfMonth) = Self.civil(daysSince1970: day)
        var text: [UInt8] = []
        text.reserveCapacity(16)
        func append(_ value: Int, digits: Int) {
            var divisor = 1
            for _ in 1..<digits { divisor *= 10 }
            while divisor > 0 {
                text.append(UInt8(48 + value / divisor % 10))
                divisor /= 10
            }
        }
        append(year, digits: 4)
        append(month, digits: 2)
        append(dayOfMonth, digits: 2)
        text.append(UInt8(ascii: "T"))
        append(time / 3600, digits: 2)
        append(time / 60 % 60, digits: 2)
        append(time % 60, digits: 2)
        text.append(UInt8(ascii: "Z"))
        self.text = text
    }

    /// The proleptic Gregorian date of a day number: in years that begin in March, leap days come
    /// last, so that the month follows from the day by one linear formula.
    private static func civil(daysSince1970 days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468  // days since 0000-03-01
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}
