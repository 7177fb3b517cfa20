import Foundation
import KapokModel

/// Why a trace could not be read.
public struct LoadTraceError: Error, CustomStringConvertible {
    /// The line, from 1, and what is wrong with it.
    public let description: String
}

extension ServingLoad {
    /// The most requests that a trace may have.
    public static let longestTrace = 1 << 20

    /// Reads a trace of requests: lines of JSON as Mooncake published them (`timestamp` in
    /// milliseconds, `input_length`, `output_length`, `hash_ids` of blocks of 512 tokens;
    /// github.com/kvcache-ai/Mooncake), or CSV as Azure did (`TIMESTAMP,ContextTokens,
    /// GeneratedTokens`; github.com/Azure/AzurePublicDataset). Times are shifted so that the
    /// first request comes at 0.
    /// - Parameter speed: how many times faster than recorded.
    public init(trace text: String, speed: Double = 1) throws(LoadTraceError) {
        guard speed > 0, speed.isFinite else {
            throw LoadTraceError(description: "a trace cannot be played at speed \(speed)")
        }
        let lines = text.split(omittingEmptySubsequences: true, whereSeparator: \.isNewline)
        guard let first = lines.first else {
            throw LoadTraceError(description: "the trace is empty")
        }
        let isJSON = first.drop { $0.isWhitespace }.hasPrefix("{")
        var arrivals: [Arrival] = []
        for (index, line) in lines.enumerated() where isJSON || index > 0 {
            guard arrivals.count < Self.longestTrace else {
                throw LoadTraceError(
                    description: "the trace has more than \(Self.longestTrace) requests")
            }
            let arrival =
                isJSON ? Self.mooncake(String(line)) : Self.azure(line, header: String(first))
            guard let arrival else {
                throw LoadTraceError(
                    description: "line \(index + 1) of the trace is no request: expected "
                        + (isJSON
                            ? "JSON with timestamp, input_length and output_length"
                            : "TIMESTAMP,ContextTokens,GeneratedTokens"))
            }
            arrivals.append(arrival)
        }
        let begin = arrivals.map(\.seconds).min() ?? 0
        for index in arrivals.indices {
            arrivals[index].seconds = (arrivals[index].seconds - begin) / speed
        }
        self.init(arrivals: arrivals)
    }

    private struct MooncakeLine: Decodable {
        var timestamp: Double
        var inputLength: Int
        var outputLength: Int
        var hashIDs: [Int]?
        enum CodingKeys: String, CodingKey {
            case timestamp
            case inputLength = "input_length"
            case outputLength = "output_length"
            case hashIDs = "hash_ids"
        }
    }

    private static func mooncake(_ line: String) -> Arrival? {
        guard let read = try? JSONDecoder().decode(MooncakeLine.self, from: Data(line.utf8)),
            read.timestamp.isFinite, isLength(read.inputLength), isLength(read.outputLength)
        else { return nil }
        // Requests whose first blocks are the same share a conversation or a document; the first
        // block's number names the group. How much more they share is not kept.
        let group = read.hashIDs?.first
        return Arrival(
            seconds: read.timestamp / 1000, promptTokens: read.inputLength,
            newTokens: read.outputLength, prefixGroup: group,
            prefixTokens: group == nil ? 0 : min(512, read.inputLength))
    }

    private static func azure(_ line: Substring, header: String) -> Arrival? {
        let fields = line.split(separator: ",", omittingEmptySubsequences: false)
        guard header.lowercased().hasPrefix("timestamp"), fields.count >= 3,
            let seconds = time(fields[0]), let prompt = Int(fields[1].filter { $0 != " " }),
            let answer = Int(fields[2].filter { !$0.isWhitespace }), isLength(prompt),
            isLength(answer)
        else { return nil }
        return Arrival(seconds: seconds, promptTokens: prompt, newTokens: answer)
    }

    private static func isLength(_ tokens: Int) -> Bool {
        (1...LengthDistribution.longest).contains(tokens)
    }

    /// Seconds of `2023-11-16 18:17:03.9799600`, or a plain number of seconds.
    private static func time(_ text: Substring) -> Double? {
        if let seconds = Double(text) { return seconds.isFinite ? seconds : nil }
        let parts = text.split { $0 == " " || $0 == "T" }
        guard parts.count == 2 else { return nil }
        let date = parts[0].split(separator: "-").compactMap { Int($0) }
        let clock = parts[1].prefix { $0.isNumber || $0 == ":" || $0 == "." }
            .split(separator: ":").compactMap { Double($0) }
        guard date.count == 3, clock.count == 3, clock.allSatisfy(\.isFinite) else { return nil }
        var components = DateComponents()
        (components.year, components.month, components.day) = (date[0], date[1], date[2])
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        guard let day = calendar.date(from: components) else { return nil }
        return day.timeIntervalSince1970 + clock[0] * 3600 + clock[1] * 60 + clock[2]
    }
}
