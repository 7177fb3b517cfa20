"""boto3: objects, ranges, conditions, multipart, presigned requests, checksums, tagging, copies,
listings, errors and virtual-host style."""

import base64
import concurrent.futures
import datetime
import hashlib
import http.client
import io
import os
import urllib.error
import urllib.parse
import urllib.request
import zlib

import boto3
import botocore.awsrequest
import botocore.config
import botocore.httpchecksum as sums
from botocore.auth import S3SigV4Auth
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from region import Checks, Region

BUCKET = "by-boto3"
checks = Checks()


def code(call, **arguments):
    """The error code and status that a call ends with; None when it succeeds."""
    try:
        call(**arguments)
    except ClientError as error:
        meta = error.response["ResponseMetadata"]
        return error.response["Error"]["Code"], meta["HTTPStatusCode"]
    return None


def refuses(claim, status, codes, call, **arguments):
    found = code(call, **arguments)
    good = found is not None and found[1] == status and (not codes or found[0] in codes)
    checks.that(claim, good, f"(found {found}, expected {codes} {status})")


def read(s3, key, **arguments):
    return s3.get_object(Bucket=BUCKET, Key=key, **arguments)["Body"].read()


def buckets(s3):
    s3.create_bucket(Bucket=BUCKET)
    checks.that(
        "the bucket is listed", BUCKET in [b["Name"] for b in s3.list_buckets()["Buckets"]])
    s3.head_bucket(Bucket=BUCKET)
    location = s3.get_bucket_location(Bucket=BUCKET)
    checks.that("the location is told", location["LocationConstraint"] in (None, "us-east-1"))
    refuses("a missing bucket", 404, (), s3.head_bucket, Bucket="missing-bucket-1")
    refuses("a bad bucket name", 400, ("InvalidBucketName",), s3.create_bucket, Bucket="Bad_Name.")
    s3.put_object(Bucket=BUCKET, Key="in the way", Body=b"x")
    refuses("a bucket with objects stays", 409, ("BucketNotEmpty",), s3.delete_bucket,
            Bucket=BUCKET)
    s3.delete_object(Bucket=BUCKET, Key="in the way")
    s3.create_bucket(Bucket="to-be-deleted")
    s3.delete_bucket(Bucket="to-be-deleted")
    refuses("a deleted bucket is gone", 404, (), s3.head_bucket, Bucket="to-be-deleted")


def objects(s3):
    body = os.urandom(100_003)
    answer = s3.put_object(
        Bucket=BUCKET, Key="object", Body=body, ContentType="text/x-kapok",
        CacheControl="max-age=7", ContentDisposition="inline", ContentEncoding="identity",
        ContentLanguage="sw", Metadata={"tree": "kapok", "floor": "3"})
    etag = '"' + hashlib.md5(body).hexdigest() + '"'
    checks.equal("the ETag is the MD5", answer["ETag"], etag)
    found = s3.get_object(Bucket=BUCKET, Key="object")
    checks.equal("the body comes back", found["Body"].read(), body)
    head = s3.head_object(Bucket=BUCKET, Key="object")
    for name, value in {
        "ContentType": "text/x-kapok", "CacheControl": "max-age=7", "ETag": etag,
        "ContentDisposition": "inline", "ContentLanguage": "sw", "ContentLength": len(body),
        "Metadata": {"tree": "kapok", "floor": "3"},
    }.items():
        checks.equal(f"HEAD tells {name}", head.get(name), value)
        checks.equal(f"GET tells {name}", found.get(name), value)
    over = s3.get_object(Bucket=BUCKET, Key="object", ResponseContentType="text/plain")
    checks.equal("response-content-type", over["ContentType"], "text/plain")
    for key in ("a b+c&d=e?f#g%h", "ünïcödé/木棉", "slash//double", "./dots/../x", "k" * 1024):
        s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
        checks.equal(f"the key {key[:20]!r}", read(s3, key), key.encode())
        s3.delete_object(Bucket=BUCKET, Key=key)
    refuses("a key of 1,025 bytes", 400, ("KeyTooLongError",), s3.put_object,
            Bucket=BUCKET, Key="k" * 1025, Body=b"")
    refuses("a missing key", 404, ("NoSuchKey",), s3.get_object, Bucket=BUCKET, Key="missing")
    refuses("a missing key's head", 404, ("404",), s3.head_object, Bucket=BUCKET, Key="missing")
    refuses("a key in a missing bucket", 404, ("NoSuchBucket",), s3.get_object,
            Bucket="missing-bucket-1", Key="k")
    refuses("a wrong Content-MD5", 400, ("BadDigest",), s3.put_object, Bucket=BUCKET, Key="bad",
            Body=b"x", ContentMD5=base64.b64encode(hashlib.md5(b"y").digest()).decode())
    refuses("what was refused is not stored", 404, (), s3.head_object, Bucket=BUCKET, Key="bad")
    s3.put_object(Bucket=BUCKET, Key="empty", Body=b"")
    checks.equal("an empty object", read(s3, "empty"), b"")
    s3.delete_object(Bucket=BUCKET, Key="never there")
    keys = [f"many/{n}" for n in range(30)]
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"m")
    deleted = s3.delete_objects(
        Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in [*keys, "not there"]]})
    checks.equal("DeleteObjects deletes", len(deleted.get("Deleted", [])), 31)
    left = s3.list_objects_v2(Bucket=BUCKET, Prefix="many/")
    checks.equal("nothing is left", left["KeyCount"], 0)


def ranges(s3):
    body = os.urandom(3_000_000)
    s3.put_object(Bucket=BUCKET, Key="ranges", Body=body)
    for text, part in {
        "bytes=0-0": body[:1], "bytes=0-": body, "bytes=-7": body[-7:],
        "bytes=65535-65536": body[65535:65537], "bytes=1048575-2097153": body[1048575:2097154],
        "bytes=2999999-": body[-1:], "bytes=2999990-9999999": body[2999990:],
        "bytes=-9999999": body,
    }.items():
        answer = s3.get_object(Bucket=BUCKET, Key="ranges", Range=text)
        checks.equal(text, answer["Body"].read(), part)
        checks.equal(f"{text}: 206", answer["ResponseMetadata"]["HTTPStatusCode"], 206)
        first = len(body) - len(part) if text.startswith("bytes=-") else int(text[6:].split("-")[0])
        checks.equal(
            f"{text}: Content-Range", answer["ContentRange"],
            f"bytes {first}-{first + len(part) - 1}/{len(body)}")
    refuses("a range after the end", 416, ("InvalidRange",), s3.get_object, Bucket=BUCKET,
            Key="ranges", Range="bytes=3000000-")


def conditions(s3):
    one = s3.put_object(Bucket=BUCKET, Key="condition", Body=b"one")["ETag"]
    modified = s3.head_object(Bucket=BUCKET, Key="condition")["LastModified"]
    hour = datetime.timedelta(hours=1)
    where = {"Bucket": BUCKET, "Key": "condition"}
    checks.equal("If-Match holds", read(s3, "condition", IfMatch=one), b"one")
    refuses("If-Match fails", 412, ("PreconditionFailed",), s3.get_object, **where, IfMatch='"x"')
    refuses("If-None-Match: 304", 304, (), s3.get_object, **where, IfNoneMatch=one)
    refuses("If-None-Match on HEAD: 304", 304, (), s3.head_object, **where, IfNoneMatch=one)
    checks.equal("If-None-Match holds", read(s3, "condition", IfNoneMatch='"x"'), b"one")
    refuses("If-Modified-Since: 304", 304, (), s3.get_object, **where,
            IfModifiedSince=modified + hour)
    checks.equal(
        "If-Modified-Since", read(s3, "condition", IfModifiedSince=modified - hour), b"one")
    refuses("If-Unmodified-Since: 412", 412, ("PreconditionFailed",), s3.get_object, **where,
            IfUnmodifiedSince=modified - hour)
    checks.equal(
        "If-Match wins over If-Unmodified-Since",
        read(s3, "condition", IfMatch=one, IfUnmodifiedSince=modified - hour), b"one")
    refuses("PUT If-None-Match: * on what exists", 412, ("PreconditionFailed",), s3.put_object,
            **where, Body=b"two", IfNoneMatch="*")
    checks.equal("it is as it was", read(s3, "condition"), b"one")
    s3.put_object(Bucket=BUCKET, Key="condition-new", Body=b"new", IfNoneMatch="*")
    checks.equal("PUT If-None-Match: * of what is new", read(s3, "condition-new"), b"new")
    two = s3.put_object(**where, Body=b"two", IfMatch=one)["ETag"]
    checks.equal("PUT If-Match holds", read(s3, "condition"), b"two")
    refuses("PUT If-Match fails", 412, ("PreconditionFailed",), s3.put_object, **where, Body=b"3",
            IfMatch=one)
    checks.equal("it is as it was", read(s3, "condition", IfMatch=two), b"two")
    refuses("PUT If-Match on what is missing", 404, ("NoSuchKey",), s3.put_object, Bucket=BUCKET,
            Key="condition-missing", Body=b"3", IfMatch=one)
    racing(s3)


def racing(s3):
    """Of many writers that want to be first, one is."""
    def write(number):
        return code(
            s3.put_object, Bucket=BUCKET, Key="race", Body=str(number).encode(), IfNoneMatch="*")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(write, range(16)))
    winners = [number for number, result in enumerate(results) if result is None]
    checks.equal("one writer wins", len(winners), 1)
    checks.equal("and its bytes are there", read(s3, "race"), str(winners[0]).encode())
    others = {result for result in results if result is not None}
    allowed = {("PreconditionFailed", 412), ("ConditionalRequestConflict", 409)}
    checks.that("the others are told", others <= allowed, str(others))


def multipart(s3):
    parts = [os.urandom(5 << 20), os.urandom(6 << 20), os.urandom(1234)]
    where = {"Bucket": BUCKET, "Key": "multipart"}
    upload = s3.create_multipart_upload(
        **where, ContentType="x/y", Metadata={"m": "p"})["UploadId"]
    uploads = s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    checks.that("the upload is listed", upload in [u["UploadId"] for u in uploads])
    done = []
    for number, part in ((3, parts[2]), (1, parts[0]), (2, parts[1])):
        answer = s3.upload_part(**where, UploadId=upload, PartNumber=number, Body=part)
        checks.equal(
            f"part {number}'s ETag", answer["ETag"], '"' + hashlib.md5(part).hexdigest() + '"')
        done.append({"PartNumber": number, "ETag": answer["ETag"]})
    done.sort(key=lambda part: part["PartNumber"])
    listed = s3.list_parts(**where, UploadId=upload)["Parts"]
    checks.equal("ListParts", [(p["PartNumber"], p["Size"]) for p in listed],
                 [(n + 1, len(p)) for n, p in enumerate(parts)])
    page = s3.list_parts(**where, UploadId=upload, MaxParts=2)
    checks.equal("ListParts by pages", (page["IsTruncated"], len(page["Parts"])), (True, 2))
    refuses("nothing is visible before", 404, (), s3.head_object, **where)

    def complete(parts, **more):
        return s3.complete_multipart_upload(
            **where, UploadId=upload, MultipartUpload={"Parts": parts}, **more)

    refuses("parts out of order", 400, ("InvalidPartOrder",), complete, parts=done[::-1])
    wrong = [{**done[0], "ETag": '"' + "0" * 32 + '"'}]
    refuses("a part with a wrong ETag", 400, ("InvalidPart",), complete, parts=wrong)
    answer = complete(parts=done, IfNoneMatch="*")
    digest = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()
    checks.equal("the ETag", answer["ETag"], f'"{digest}-3"')
    whole = b"".join(parts)
    checks.equal("the whole", read(s3, "multipart"), whole)
    seam = len(parts[0])
    checks.equal("across a seam", read(s3, "multipart", Range=f"bytes={seam - 9}-{seam + 9}"),
                 whole[seam - 9:seam + 10])
    head = s3.head_object(**where)
    checks.equal("metadata", (head["ContentType"], head["Metadata"]), ("x/y", {"m": "p"}))
    second = s3.get_object(**where, PartNumber=2)
    checks.equal("a part alone", second["Body"].read(), parts[1])
    checks.equal("the number of parts", second.get("PartsCount"), 3)
    again = s3.create_multipart_upload(**where)["UploadId"]
    s3.upload_part(**where, UploadId=again, PartNumber=1, Body=b"x")
    refuses("Complete If-None-Match: *", 412, ("PreconditionFailed",),
            s3.complete_multipart_upload, **where, UploadId=again, IfNoneMatch="*",
            MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": hashlib.md5(b"x").hexdigest()}]})
    s3.abort_multipart_upload(**where, UploadId=again)
    refuses("an aborted upload", 404, ("NoSuchUpload",), s3.upload_part, **where, UploadId=again,
            PartNumber=1, Body=b"x")
    small_parts(s3)


def small_parts(s3):
    where = {"Bucket": BUCKET, "Key": "small-parts"}
    upload = s3.create_multipart_upload(**where)["UploadId"]
    done = []
    for number in (1, 2):
        tag = s3.upload_part(**where, UploadId=upload, PartNumber=number, Body=b"s")["ETag"]
        done.append({"PartNumber": number, "ETag": tag})
    refuses("parts that are too small", 400, ("EntityTooSmall",), s3.complete_multipart_upload,
            **where, UploadId=upload, MultipartUpload={"Parts": done})
    refuses("part number 0", 400, (), s3.upload_part, **where, UploadId=upload, PartNumber=0,
            Body=b"s")
    refuses("part number 10,001", 400, (), s3.upload_part, **where, UploadId=upload,
            PartNumber=10_001, Body=b"s")
    copied = s3.upload_part_copy(
        **where, UploadId=upload, PartNumber=1, CopySource=f"{BUCKET}/multipart",
        CopySourceRange=f"bytes=100-{100 + (5 << 20) - 1}")["CopyPartResult"]["ETag"]
    done[0]["ETag"] = copied
    s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": done})
    expected = read(s3, "multipart", Range=f"bytes=100-{100 + (5 << 20) - 1}") + b"s"
    checks.equal("UploadPartCopy with a range", read(s3, "small-parts"), expected)


def presigned(region):
    """By version 4, and by version 2, which boto3 chooses by itself for an endpoint of one's own."""
    for version in ("s3v4", "s3"):
        presigned_by(region.client(signature_version=version))


def presigned_by(s3):
    body = os.urandom(10_000)
    where = {"Bucket": BUCKET, "Key": "pre signed+/ü"}

    def fetch(url, method="GET", data=None, headers=None):
        headers = dict(headers or {})
        if data is not None:
            # Version 2 signs it, and urllib would make one up.
            headers["Content-Type"] = ""
        request = urllib.request.Request(url, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    url = s3.generate_presigned_url("put_object", Params=where, ExpiresIn=300)
    checks.equal("presigned PUT", fetch(url, "PUT", body)[0], 200)
    url = s3.generate_presigned_url("get_object", Params=where, ExpiresIn=300)
    checks.equal("presigned GET", fetch(url), (200, body))
    checks.equal("presigned GET of a range", fetch(url, headers={"Range": "bytes=1-3"}),
                 (206, body[1:4]))
    forged = url.replace("/pre%20signed", "/pro%20signed")
    status, text = fetch(forged)
    checks.that("a forged URL", status == 403 and b"SignatureDoesNotMatch" in text, str(text[:200]))
    checks.equal("a presigned GET does not PUT", fetch(url, "PUT", b"x")[0], 403)
    url = s3.generate_presigned_url("delete_object", Params=where, ExpiresIn=300)
    checks.equal("presigned DELETE", fetch(url, "DELETE")[0], 204)
    plain = f"{s3.meta.endpoint_url}/{BUCKET}/object"
    status, text = fetch(plain)
    checks.that("anonymous access", status == 403 and b"AccessDenied" in text, str(text[:200]))


def checksums(s3):
    body = os.urandom(70_001)
    for name in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"):
        field = f"Checksum{name}"
        put = s3.put_object(Bucket=BUCKET, Key=f"sum-{name}", Body=body, ChecksumAlgorithm=name)
        found = s3.get_object(Bucket=BUCKET, Key=f"sum-{name}", ChecksumMode="ENABLED")
        checks.equal(f"{name}: verified by botocore", found["Body"].read(), body)
        checks.that(f"{name}: told", found.get(field) and found.get(field) == put.get(field))
        other = s3.put_object(
            Bucket=BUCKET, Key="sum-other", Body=b"other", ChecksumAlgorithm=name)
        refuses(f"a wrong {name}", 400, (), s3.put_object, Bucket=BUCKET, Key="sum-bad",
                Body=body, **{field: other.get(field, "")})
    refuses("what has a wrong checksum is not stored", 404, (), s3.head_object, Bucket=BUCKET,
            Key="sum-bad")
    crc = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    found = s3.head_object(Bucket=BUCKET, Key="sum-CRC32", ChecksumMode="ENABLED")
    checks.equal("CRC32 is zlib's", found.get("ChecksumCRC32"), crc)
    multipart_checksums(s3)


def trailers(region):
    """aws-chunked bodies with the checksum as a trailer, encoded by botocore. Over plain HTTP it
    does not choose them by itself."""

    class Auth(S3SigV4Auth):
        def payload(self, request):
            return "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

    host = urllib.parse.urlsplit(region.s3)
    body = os.urandom((2 << 20) + 77)

    def put(name, kind, damage=False):
        header = f"x-amz-checksum-{name.lower()}"
        chunked = sums.AwsChunkedWrapper(
            io.BytesIO(body), checksum_cls=kind, checksum_name=header, chunk_size=64 * 1024).read()
        if damage:
            chunked = chunked[:1000] + bytes([chunked[1000] ^ 1]) + chunked[1001:]
        path = f"/{BUCKET}/trailer-{name}{'-bad' if damage else ''}"
        request = botocore.awsrequest.AWSRequest(
            method="PUT", url=region.s3 + path, data=b"", headers={
                "Content-Encoding": "aws-chunked", "X-Amz-Trailer": header,
                "X-Amz-Decoded-Content-Length": str(len(body))})
        Auth(Credentials(region.access_key, region.secret_key), "s3", "us-east-1").add_auth(request)
        connection = http.client.HTTPConnection(host.hostname, host.port, timeout=60)
        headers = {key: value for key, value in request.headers.items()
                   if key.lower() != "content-length"}
        connection.request("PUT", path, chunked, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    s3 = region.client()
    for name, kind in (("CRC32", sums.Crc32Checksum), ("CRC32C", sums.CrtCrc32cChecksum),
                       ("CRC64NVME", sums.CrtCrc64NvmeChecksum), ("SHA1", sums.Sha1Checksum),
                       ("SHA256", sums.Sha256Checksum)):
        checks.equal(f"{name} as a trailer is taken", put(name, kind)[0], 200)
        found = s3.get_object(Bucket=BUCKET, Key=f"trailer-{name}", ChecksumMode="ENABLED")
        checks.equal(f"{name} as a trailer: the body", found["Body"].read(), body)
        checks.that(f"{name} as a trailer: told", found.get(f"Checksum{name}"))
        checks.that(f"{name} as a trailer: no encoding is stored",
                    found.get("ContentEncoding") in (None, ""), str(found.get("ContentEncoding")))
        status, text = put(name, kind, damage=True)
        checks.that(f"{name} as a trailer: damage is refused",
                    status == 400 and b"BadDigest" in text, f"{status} {text[:200]}")
        refuses(f"{name} as a trailer: damage is not stored", 404, (), s3.head_object,
                Bucket=BUCKET, Key=f"trailer-{name}-bad")


def multipart_checksums(s3):
    parts = [os.urandom(5 << 20), os.urandom(1000)]
    for name, kind in (("SHA256", "COMPOSITE"), ("CRC64NVME", "FULL_OBJECT"),
                       ("CRC32", "FULL_OBJECT"), ("CRC32C", "COMPOSITE")):
        where = {"Bucket": BUCKET, "Key": f"multi-{name}"}
        upload = s3.create_multipart_upload(
            **where, ChecksumAlgorithm=name, ChecksumType=kind)["UploadId"]
        done = []
        for number, part in enumerate(parts, 1):
            answer = s3.upload_part(**where, UploadId=upload, PartNumber=number, Body=part,
                                    ChecksumAlgorithm=name)
            done.append({"PartNumber": number, "ETag": answer["ETag"],
                         f"Checksum{name}": answer.get(f"Checksum{name}")})
        answer = s3.complete_multipart_upload(
            **where, UploadId=upload, MultipartUpload={"Parts": done})
        value = answer.get(f"Checksum{name}") or ""
        checks.equal(f"{name} {kind}", value.endswith("-2"), kind == "COMPOSITE")
        if name == "SHA256":
            digests = b"".join(hashlib.sha256(part).digest() for part in parts)
            composite = base64.b64encode(hashlib.sha256(digests).digest()).decode()
            checks.equal("SHA256 of SHA256s", value, composite + "-2")
        if name == "CRC32":
            whole = base64.b64encode(zlib.crc32(b"".join(parts)).to_bytes(4, "big")).decode()
            checks.equal("CRC32 of the whole", value, whole)
        checks.equal(f"{name}: the whole", read(s3, f"multi-{name}"), b"".join(parts))


def copies(s3):
    body = os.urandom(50_000)
    s3.put_object(Bucket=BUCKET, Key="copy source ü", Body=body, Metadata={"a": "1"},
                  ContentType="x/source", Tagging="t=1")
    source = {"Bucket": BUCKET, "Key": "copy source ü"}
    answer = s3.copy_object(Bucket=BUCKET, Key="copy", CopySource=source)
    etag = answer["CopyObjectResult"]["ETag"]
    head = s3.head_object(Bucket=BUCKET, Key="copy")
    checks.equal("metadata goes with a copy", (head["Metadata"], head["ContentType"]),
                 ({"a": "1"}, "x/source"))
    checks.equal("bytes too", read(s3, "copy"), body)
    tags = s3.get_object_tagging(Bucket=BUCKET, Key="copy")["TagSet"]
    checks.equal("tags too", tags, [{"Key": "t", "Value": "1"}])
    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource=source, MetadataDirective="REPLACE",
                   Metadata={"b": "2"}, ContentType="x/replaced")
    head = s3.head_object(Bucket=BUCKET, Key="copy")
    checks.equal("REPLACE", (head["Metadata"], head["ContentType"]), ({"b": "2"}, "x/replaced"))
    refuses("a copy onto itself that changes nothing", 400, ("InvalidRequest",), s3.copy_object,
            Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "copy"})
    refuses("x-amz-copy-source-if-match", 412, ("PreconditionFailed",), s3.copy_object,
            Bucket=BUCKET, Key="copy2", CopySource=source, CopySourceIfMatch='"x"')
    refuses("x-amz-copy-source-if-none-match", 412, ("PreconditionFailed",), s3.copy_object,
            Bucket=BUCKET, Key="copy2", CopySource=source, CopySourceIfNoneMatch=etag)
    refuses("a missing source", 404, ("NoSuchKey",), s3.copy_object, Bucket=BUCKET, Key="copy2",
            CopySource={"Bucket": BUCKET, "Key": "missing"})


def tagging(s3):
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b c", "Value": "ü"}]
    s3.put_object(Bucket=BUCKET, Key="tags", Body=b"t", Tagging="x=y&z=")
    found = s3.get_object_tagging(Bucket=BUCKET, Key="tags")["TagSet"]
    checks.equal("tags with PUT", sorted((t["Key"], t["Value"]) for t in found),
                 [("x", "y"), ("z", "")])
    s3.put_object_tagging(Bucket=BUCKET, Key="tags", Tagging={"TagSet": tags})
    found = s3.get_object_tagging(Bucket=BUCKET, Key="tags")["TagSet"]
    checks.equal("PutObjectTagging", sorted(t["Key"] for t in found), ["a", "b c"])
    checks.equal("the count", s3.get_object(Bucket=BUCKET, Key="tags").get("TagCount"), 2)
    s3.delete_object_tagging(Bucket=BUCKET, Key="tags")
    checks.equal("no tags", s3.get_object_tagging(Bucket=BUCKET, Key="tags")["TagSet"], [])
    many = [{"Key": str(n), "Value": ""} for n in range(11)]
    refuses("eleven tags", 400, (), s3.put_object_tagging, Bucket=BUCKET, Key="tags",
            Tagging={"TagSet": many})
    refuses("no bucket tags", 404, ("NoSuchTagSet",), s3.get_bucket_tagging, Bucket=BUCKET)
    s3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": tags})
    found = s3.get_bucket_tagging(Bucket=BUCKET)["TagSet"]
    checks.equal("bucket tags", sorted(t["Key"] for t in found), ["a", "b c"])
    s3.delete_bucket_tagging(Bucket=BUCKET)


def listings(s3):
    bucket = "listed-by-boto3"
    s3.create_bucket(Bucket=bucket)
    keys = [f"a/{n:03}" for n in range(25)] + ["b", "c/d/e", "c/d/f", "c/g", "ü &<>", "z z+%"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    expected = sorted(keys, key=str.encode)
    for operation in ("list_objects", "list_objects_v2"):
        pages = s3.get_paginator(operation).paginate(
            Bucket=bucket, PaginationConfig={"PageSize": 7})
        found = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        checks.equal(f"{operation} in pages", found, expected)
        pages = s3.get_paginator(operation).paginate(
            Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 2})
        keys_found, prefixes = [], []
        for page in pages:
            keys_found += [entry["Key"] for entry in page.get("Contents", [])]
            prefixes += [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
        checks.equal(f"{operation}: the keys", keys_found, ["b", "z z+%", "ü &<>"])
        checks.equal(f"{operation}: the prefixes", prefixes, ["a/", "c/"])
        inside = getattr(s3, operation)(Bucket=bucket, Prefix="c/", Delimiter="/")
        checks.equal(f"{operation}: prefix and delimiter",
                     ([e["Key"] for e in inside["Contents"]],
                      [e["Prefix"] for e in inside["CommonPrefixes"]]), (["c/g"], ["c/d/"]))
    after = s3.list_objects_v2(Bucket=bucket, StartAfter="a/020")
    checks.equal("start-after", after["Contents"][0]["Key"], "a/021")
    encoded = s3.list_objects_v2(Bucket=bucket, EncodingType="url", Prefix="z")
    checks.equal("encoding-type", urllib.parse.unquote_plus(encoded["Contents"][0]["Key"]), "z z+%")
    entry = s3.list_objects_v2(Bucket=bucket, Prefix="b")["Contents"][0]
    checks.equal("an entry", (entry["Size"], entry["ETag"]),
                 (1, '"' + hashlib.md5(b"b").hexdigest() + '"'))
    zero = s3.list_objects_v2(Bucket=bucket, MaxKeys=0)
    checks.equal("max-keys 0", (zero["KeyCount"], zero["IsTruncated"]), (0, False))


def errors(region, s3):
    def client(access_key, secret_key):
        return boto3.client(
            "s3", endpoint_url=region.s3, region_name="us-east-1", aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=botocore.config.Config(s3={"addressing_style": "path"}))

    refuses("a wrong secret", 403, ("SignatureDoesNotMatch",),
            client(region.access_key, "wrong").list_buckets)
    refuses("an unknown key", 403, ("InvalidAccessKeyId",),
            client("NOBODYNOBODYNOBODY12", "wrong").list_buckets)
    refuses("what is not supported says so", 501, ("NotImplemented",),
            s3.put_bucket_website, Bucket=BUCKET,
            WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    host = urllib.parse.urlsplit(region.s3)
    connection = http.client.HTTPConnection(host.hostname, host.port, timeout=30)
    connection.request("GET", f"/{BUCKET}/missing")
    answer = connection.getresponse()
    text = answer.read().decode()
    checks.that("an error has a request id and XML", answer.getheader("x-amz-request-id")
                and "<Error>" in text and "<RequestId>" in text, text[:300])


def virtual_hosts(region):
    """The bucket in the Host header; the connection still goes to the loopback address."""
    host = urllib.parse.urlsplit(region.s3)

    def request(method, path, body=b""):
        url = f"http://{BUCKET}.localhost:{host.port}{path}"
        signed = botocore.awsrequest.AWSRequest(method=method, url=url, data=body)
        S3SigV4Auth(Credentials(region.access_key, region.secret_key), "s3",
                    "us-east-1").add_auth(signed)
        connection = http.client.HTTPConnection(host.hostname, host.port, timeout=30)
        headers = {**dict(signed.headers), "Host": f"{BUCKET}.localhost:{host.port}"}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    checks.equal("vhost PUT", request("PUT", "/virtual/host", b"by its name")[0], 200)
    checks.equal("vhost GET", request("GET", "/virtual/host"), (200, b"by its name"))
    status, text = request("GET", "/")
    checks.that("vhost listing", status == 200 and b"virtual/host" in text, str(text[:200]))


def signed_chunks(region):
    """Signed bodies instead of UNSIGNED-PAYLOAD and trailers."""
    s3 = region.client(
        s3={"addressing_style": "path", "payload_signing_enabled": True},
        request_checksum_calculation="when_required", response_checksum_validation="when_required")
    body = os.urandom(200_000)
    s3.put_object(Bucket=BUCKET, Key="signed", Body=body)
    checks.equal("a signed body", read(s3, "signed"), body)


def main():
    with Region() as region:
        s3 = region.client()
        for section in (buckets, objects, ranges, conditions, multipart, checksums,
                        copies, tagging, listings):
            checks.section(section, s3)
        checks.section(presigned, region)
        checks.section(errors, region, s3)
        checks.section(trailers, region)
        checks.section(virtual_hosts, region)
        checks.section(signed_chunks, region)
        checks.equal("a clean stop", region.stop(), 0)
    checks.finish()


main()
