import Testing

@testable import KapokS3

@Suite struct WireFormatTests {
    @Test("the example dates of RFC 9110 section 5.6.7 read as one instant")
    func httpDates() {
        let expected: Int64 = 784_111_777
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:37 -0000",
            "Sun, 06 Nov 1994 08:49:37 +0000",
        ] {
            #expect(DateFormats.parseHTTP(text) == expected, "\(text)")
        }
        #expect(DateFormats.http(unixSeconds: expected) == "Sun, 06 Nov 1994 08:49:37 GMT")
    }

    @Test("dates written read back, on every day of four centuries")
    func calendar() {
        for day in stride(from: Int64(0), to: 146_097, by: 1) {
            let seconds = day * 86_400 + (day * 7919) % 86_400
            #expect(CalendarTime(unixSeconds: seconds).unixSeconds == seconds)
            if day % 97 == 0 {
                #expect(DateFormats.parseHTTP(DateFormats.http(unixSeconds: seconds)) == seconds)
                #expect(DateFormats.parseBasic(DateFormats.basic(unixSeconds: seconds)) == seconds)
            }
        }
        #expect(
            DateFormats.iso8601(unixMilliseconds: 1_709_251_198_007) == "2024-02-29T23:59:58.007Z")
        #expect(DateFormats.basic(unixSeconds: 1_369_353_600) == "20130524T000000Z")
    }

    @Test("dates that do not exist or have another form are refused")
    func badDates() {
        for text in [
            "", "20230229T000000Z", "20240230T000000Z", "20240132T000000Z", "20241301T000000Z",
            "20240101T240000Z", "20240101T006000Z", "20240101 000000Z", "20240101T000000",
        ] {
            #expect(DateFormats.parseBasic(text) == nil, "\(text)")
        }
        for text in [
            "", "x", "Sun, 06 Nov 1994 08:49:37", "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 +0100",
        ] {
            #expect(DateFormats.parseHTTP(text) == nil, "\(text)")
        }
        for text in ["2024-02-29T23:59:58Z", "2024-02-29T23:59:58.123456Z"] {
            #expect(DateFormats.parseISO8601(text) == 1_709_251_198, "\(text)")
        }
        for text in [
            "", "2024-02-29", "2023-02-29T00:00:00Z", "2024-02-29T23:59:58",
            "2024-02-29T23:59:58.Z",
            "2024-02-29T23:59:58+00:00", "2024-02-29T23:59:58.1x3Z", "20240229T235958Z",
            "2024-02-29T23:59:58.123456789012345678Z",
        ] {
            #expect(DateFormats.parseISO8601(text) == nil, "\(text)")
        }
    }

    @Test("ranges follow RFC 9110 section 14.1.2")
    func ranges() throws {
        func bytes(_ header: String, of length: UInt64) -> Range<UInt64>? {
            ByteRange(header: header)?.resolved(length: length)
        }
        #expect(bytes("bytes=0-499", of: 10_000) == 0..<500)
        #expect(bytes("bytes=500-999", of: 10_000) == 500..<1000)
        #expect(bytes("bytes=-500", of: 10_000) == 9500..<10_000)
        #expect(bytes("bytes=9500-", of: 10_000) == 9500..<10_000)
        #expect(bytes("bytes=0-99999999999999999999", of: 10) == 0..<10)
        #expect(bytes("bytes=-99999999999999999999", of: 10) == 0..<10)
        #expect(bytes("bytes=9-9", of: 10) == 9..<10)
        for unsatisfiable in ["bytes=10-", "bytes=10-20", "bytes=-0"] {
            let range = try #require(ByteRange(header: unsatisfiable))
            #expect(range.resolved(length: 10) == nil)
            #expect(range.resolved(length: 0) == nil)
        }
        for whole in [
            "bytes=5-4", "bytes=0-1,3-4", "bytes=-", "bytes=a-b", "lines=0-1", "bytes=1", "",
            "bytes=1--2", "bytes=+1-2",
        ] {
            #expect(ByteRange(header: whole) == nil, "\(whole)")
        }
    }

    @Test("bucket names follow Amazon's rules")
    func bucketNames() {
        for good in ["abc", "a.b-c9", "192.168.5.999a", String(repeating: "a", count: 63), "1-2"] {
            #expect(BucketName.isValid(good) == (good.utf8.count >= 3), "\(good)")
        }
        for bad in [
            "", "ab", String(repeating: "a", count: 64), "Abc", "a_b", "-abc", "abc-", ".abc",
            "abc.", "a..b", "192.168.5.4", "xn--abc", "sthree-abc", "abc-s3alias", "abc--ol-s3",
            "a b", "a/b", "äbc", "amzn-s3-demo-x", "abc--x-s3",
        ] {
            #expect(!BucketName.isValid(bad), "\(bad)")
        }
    }

    @Test("keys are UTF-8 of 1 to 1,024 bytes")
    func keys() throws {
        #expect(try ObjectKey.decode("a%20b%2Fc+d".utf8) == "a b/c+d")
        let longest = String(repeating: "ü", count: 512)
        #expect(try ObjectKey.decode(longest.utf8) == longest)
        let refused: [(String, S3Error.Code)] = [
            (longest + "a", .keyTooLong), ("%FF", .invalidURI), ("%C3", .invalidURI),
            ("%ED%A0%80", .invalidURI), ("%", .invalidURI), ("%4", .invalidURI),
            ("%zz", .invalidURI), ("", .invalidArgument), ("a%00", .invalidArgument),
        ]
        for (path, code) in refused {
            do throws(S3Error) {
                _ = try ObjectKey.decode(path.utf8)
                Issue.record("accepted \(path)")
            } catch {
                #expect(error.code == code, "\(path.prefix(20))")
            }
        }
    }

    @Test("a query keeps its order, decodes names and values and tells empty from missing")
    func query() throws {
        let query = try QueryString("b=1&a=x%20y+z&c&d=&&b=2&%C3%BC=%26")
        #expect(query.parameters.map(\.name) == ["b", "a", "c", "d", "b", "ü"])
        #expect(query["a"] == "x y z")
        #expect(query["b"] == "1")
        #expect(query["c"] == "")
        #expect(query["ü"] == "&")
        #expect(query["e"] == nil)
        for bad in ["a=%", "a=%f", "%FF=1", "a=%C3"] {
            #expect(throws: S3Error.self, "\(bad)") { try QueryString(bad[...]) }
        }
        let many = Array(repeating: "a=b", count: 257).joined(separator: "&")
        #expect(throws: S3Error.self) { try QueryString(many[...]) }
    }

    @Test("canonical percent coding keeps letters, digits and -._~ and codes the rest in capitals")
    func percentCoding() {
        #expect(PercentCoding.encode("aZ09-._~ /ü+", keepSlash: true) == "aZ09-._~%20/%C3%BC%2B")
        #expect(PercentCoding.encode("/", keepSlash: false) == "%2F")
        #expect(PercentCoding.decode("%2f%2F".utf8) == [0x2F, 0x2F])
    }
}
