import Testing

@testable import KapokS3

@Suite struct XMLTests {
    private func parse(_ text: String) throws(S3Error) -> XMLElement {
        try XMLParser.parse(Array(text.utf8))
    }

    @Test("elements, namespaces, entities, CDATA and comments are read")
    func reads() throws {
        let root = try parse(
            "\u{FEFF}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- hi -->"
                + "<s3:A xmlns:s3='x' b=\"c>\">"
                + "<B>&lt;&amp;&gt;&quot;&apos;&#65;&#x1F600;</B><!-- - --><C/>"
                + "<B><![CDATA[<&]]></B>\r\n"
                + "</s3:A >\n")
        #expect(root.name == "A")
        #expect(root.all("B").map(\.text) == ["<&>\"'A😀", "<&"])
        #expect(root["C"] == XMLElement(name: "C"))
        #expect(root.text == "\n")
    }

    @Test("line ends become LF, references to CR stay")
    func lineEnds() throws {
        #expect(try parse("<A>a\r\nb\rc&#13;d</A>").text == "a\nb\nc\rd")
    }

    @Test("document types, entities and processing instructions are refused")
    func refusesExpansion() {
        for text in [
            "<!DOCTYPE A [<!ENTITY x \"y\">]><A>&x;</A>", "<!DOCTYPE A SYSTEM \"file:///x\"><A/>",
            "<A>&x;</A>", "<A><?php ?></A>", "<?xml version=\"1.0\"?><?x y?><A/>",
        ] {
            #expect(throws: S3Error.self, "\(text)") { try parse(text) }
        }
    }

    @Test("what is not well-formed is refused")
    func refuses() {
        for text in [
            "", "A", "<A>", "<A></B>", "<A><B></A></B>", "</A>", "<A/><B/>", "<A/>x", "<A b/>",
            "<A b=c/>", "<A b='c/>", "<A b='<'/>", "<A>&#0;</A>", "<A>&#xD800;</A>", "<A>&#;</A>",
            "<A>&#x110000;</A>", "<A>&amp</A>", "<A>\0</A>", "<A><!-- </A>", "<A><![CDATA[</A>",
            "<>x</>", "< A/>", "<A", "<A b='1'c='2'/>", "<?xml",
        ] {
            #expect(throws: S3Error.self, "\(text)") { try parse(text) }
        }
        #expect(throws: S3Error.self) {
            try XMLParser.parse(Array("<A>".utf8) + [0xFF] + Array("</A>".utf8))
        }
    }

    @Test("depth, elements, names and attributes are bounded")
    func bounds() throws {
        func nested(_ n: Int) -> String {
            String(repeating: "<A>", count: n) + String(repeating: "</A>", count: n)
        }
        _ = try parse(nested(8))
        #expect(throws: S3Error.self) { try parse(nested(9)) }
        #expect(throws: S3Error.self) { try parse(nested(100_000)) }
        let limits = XMLLimits(elements: 10)
        let many = "<A>" + String(repeating: "<B/>", count: 10) + "</A>"
        #expect(throws: S3Error.self) { try XMLParser.parse(Array(many.utf8), limits: limits) }
        let attributes = (0..<17).map { " a\($0)='x'" }.joined()
        #expect(throws: S3Error.self) { try parse("<A\(attributes)/>") }
        #expect(throws: S3Error.self) { try parse("<\(String(repeating: "a", count: 200))/>") }
    }

    @Test("a Delete names its objects")
    func delete() throws {
        let body =
            "<Delete xmlns=\"\(XMLWriter.namespace)\"><Object><Key> a&amp;b </Key></Object>"
            + "<Object><Key>c</Key><VersionId>null</VersionId><ETag>\"e\"</ETag></Object>"
            + "<Quiet>true</Quiet></Delete>"
        let (objects, isQuiet) = try XMLRequests.delete(Array(body.utf8))
        #expect(
            objects == [
                .init(key: " a&b "), .init(key: "c", versionID: "null", eTag: "\"e\""),
            ])
        #expect(isQuiet)
        func with(_ count: Int) -> [UInt8] {
            let object = "<Object><Key>k</Key></Object>"
            return Array("<Delete>\(String(repeating: object, count: count))</Delete>".utf8)
        }
        #expect(try XMLRequests.delete(with(1000)).objects.count == 1000)
        for bad in [with(0), with(1001), Array("<Delete><Object/></Delete>".utf8)] {
            #expect(throws: S3Error.self) { try XMLRequests.delete(bad) }
        }
    }

    @Test("a CompleteMultipartUpload names its parts in order")
    func complete() throws {
        let body =
            "<CompleteMultipartUpload><Part><PartNumber>2</PartNumber><ETag>\"x\"</ETag>"
            + "<ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part><Part><ETag>y</ETag>"
            + "<PartNumber> 1 </PartNumber></Part></CompleteMultipartUpload>"
        let parts = try XMLRequests.completeMultipartUpload(Array(body.utf8))
        #expect(parts.map(\.number) == [2, 1])
        #expect(parts.map(\.eTag) == ["x", "y"])
        #expect(parts[0].checksum == Checksum(algorithm: .crc32, bytes: [0, 0, 0, 0]))
        for bad in [
            "<CompleteMultipartUpload/>", "<Other/>",
            "<CompleteMultipartUpload><Part><ETag>y</ETag></Part></CompleteMultipartUpload>",
            "<CompleteMultipartUpload><Part><ETag>y</ETag><PartNumber>x</PartNumber></Part>"
                + "</CompleteMultipartUpload>",
        ] {
            #expect(throws: S3Error.self) {
                try XMLRequests.completeMultipartUpload(Array(bad.utf8))
            }
        }
    }

    @Test("bucket configuration and tags are read")
    func others() throws {
        #expect(try XMLRequests.createBucket([]) == nil)
        let location =
            "<CreateBucketConfiguration><LocationConstraint>eu</LocationConstraint>"
            + "</CreateBucketConfiguration>"
        #expect(try XMLRequests.createBucket(Array(location.utf8)) == "eu")
        let tagging = "<Tagging><TagSet><Tag><Key>k</Key><Value></Value></Tag></TagSet></Tagging>"
        let tags = try XMLRequests.tagging(Array(tagging.utf8))
        #expect(tags.map(\.key) == ["k"] && tags.map(\.value) == [""])
        #expect(throws: S3Error.self) { try XMLRequests.tagging(Array("<Tagging/>".utf8)) }
        let header = try XMLRequests.tagging(header: "a=b%20c&d=")
        #expect(header.map(\.key) == ["a", "d"] && header.map(\.value) == ["b c", ""])
    }

    @Test("what is written reads back, whatever the text")
    func roundTrip() throws {
        let text = "a<b>&\"'\u{1}\u{1F}\r\n\tü😀]]>"
        var writer = XMLWriter()
        writer.root("R") { writer in
            writer.element("T", text)
            writer.element("N", 5)
            writer.element("F", true)
            writer.element("None", nil as String?)
        }
        let root = try XMLParser.parse(writer.bytes)
        #expect(root["T"]?.text == text)
        #expect(root["N"]?.text == "5" && root["F"]?.text == "true" && root["None"] == nil)
        var coded = XMLWriter(urlEncoding: true)
        coded.root("R") { $0.nameElement("Key", "a b/ü") }
        #expect(try XMLParser.parse(coded.bytes)["Key"]?.text == "a%20b/%C3%BC")
    }

    @Test("random documents never crash and never grow")
    func fuzz() {
        var random = SplitMix(seed: 0x786D6C)
        let seeds = [
            "<Delete><Object><Key>a&amp;&#65;</Key></Object><Quiet>true</Quiet></Delete>",
            "<?xml version='1.0'?><A x=\"y\"><!-- c --><B><![CDATA[d]]></B><C/></A>",
            "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>",
        ].map { Array($0.utf8) }
        func size(_ element: XMLElement) -> Int {
            element.text.utf8.count + element.children.reduce(0) { $0 + size($1) }
        }
        for _ in 0..<SplitMix.rounds(8000) {
            let body = random.mutate(seeds[random.below(seeds.count)])
            if let root = try? XMLParser.parse(body) { #expect(size(root) <= body.count) }
            _ = try? XMLRequests.delete(body)
            _ = try? XMLRequests.tagging(body)
            _ = try? XMLRequests.completeMultipartUpload(body)
        }
    }
}
