import CKernels

/// CRC-64/NVME, the checksum of everything that Kapok keeps on drives (NVM Express NVM Command Set
/// 1.0, "64b CRC": polynomial AD93D23594C93659, reflected, all ones before and after).
public enum CRC64NVME {
    /// The checksum of `bytes`; of these bytes after others when `continuing` is the checksum of
    /// those. Zero, the checksum of nothing, starts anew.
    public static func checksum(_ bytes: UnsafeRawBufferPointer, continuing: UInt64 = 0) -> UInt64 {
        kapok_crc64_nvme(continuing, bytes.baseAddress, bytes.count)
    }
}
