import Foundation

/// What Linux says of the processor in `/proc/cpuinfo`.
public struct ProcessorFeatures: Hashable, Sendable {
    /// For example `GenuineIntel`; empty if unknown.
    public let vendor: String
    /// For example `AMD EPYC 7551`; empty if unknown.
    public let model: String
    /// Instruction sets by Linux's names, such as `avx2`, that processor, hypervisor and kernel all allow.
    public let flags: Set<String>

    /// - Parameter text: the contents of `/proc/cpuinfo`, of which the first processor counts.
    public init(cpuinfo text: String) {
        var fields: [String: String] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            guard parts.count == 2, fields[parts[0]] == nil else { continue }
            fields[parts[0]] = parts[1]
        }
        vendor = fields["vendor_id"] ?? ""
        model = fields["model name"] ?? ""
        flags = Set((fields["flags"] ?? "").split(separator: " ").map(String.init))
    }

    /// This machine's; without any flags where `/proc` is not mounted.
    public static let current = ProcessorFeatures(
        cpuinfo: (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? "")

    /// 256-bit vectors with fused multiply-add.
    public var hasAVX2: Bool { flags.isSuperset(of: ["avx2", "fma"]) }
    /// 512-bit vectors as of Skylake's servers.
    public var hasAVX512: Bool { flags.isSuperset(of: ["avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd"]) }
}
