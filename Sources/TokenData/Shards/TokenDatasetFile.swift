import Glibc
import Numerics

/// Opens token shards of any of the kinds that Apus reads.
public enum TokenDatasetFile {
    /// Written before the path of a shard without a header, so that it isn't looked at for one.
    private static let nanoGPTPrefix = "nanogpt:"

    /// Opens one data set.
    ///
    /// | path | is |
    /// | --- | --- |
    /// | `data/train` | Megatron's `data/train.bin` and `data/train.idx` |
    /// | `data/train.idx`, or `data/train.bin` where an `.idx` stands beside it | the same |
    /// | any other file that begins with llm.c's magic number | an llm.c shard |
    /// | any other `.bin` | a nanoGPT shard |
    /// | `nanogpt:data/train.bin` | a nanoGPT shard |
    ///
    /// - Throws: `ApusError` naming the file, what was expected and what was found.
    public static func open(_ path: String) throws -> any TokenDataset {
        if path.hasPrefix(nanoGPTPrefix) {
            return try FlatDataset(nanoGPT: MappedFile(path: String(path.dropFirst(nanoGPTPrefix.count))))
        }
        let prefix = path.hasSuffix(".idx") || path.hasSuffix(".bin") ? String(path.dropLast(4)) : path
        if path.hasSuffix(".idx") || exists(prefix + ".idx") { return try MegatronDataset(prefix: prefix) }
        guard exists(path) else { throw missing(path, prefix: prefix) }
        let file = try MappedFile(path: path)
        if FlatDataset.isLLMC(file) { return try FlatDataset(llmc: file) }
        // Fewer bytes may be what is left of an llm.c shard's magic number.
        guard path.hasSuffix(".bin"), file.bytes.count >= 4 else {
            throw file.refusal(
                "expected a Megatron, llm.c or nanoGPT shard, found a file of \(file.bytes.count) bytes without a "
                    + "known beginning",
                remedy: "make shards with: apus prepare; or write nanogpt:\(path) for u16 tokens without a header")
        }
        return try FlatDataset(nanoGPT: file)
    }

    /// Opens several data sets as one.
    public static func open(_ paths: [String]) throws -> any TokenDataset {
        guard let first = paths.first else {
            throw ApusError("opening token shards", "no path was given", remedy: "name at least one shard")
        }
        return paths.count == 1 ? try open(first) : ConcatenatedDataset(try paths.map { try open($0) })
    }

    private static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    private static func missing(_ path: String, prefix: String) -> ApusError {
        if exists(prefix + ".bin.partial") || exists(prefix + ".idx.partial") {
            return ApusError(
                "opening \(path)", "found only \(prefix).bin.partial: the data was not prepared to its end",
                remedy: "prepare it again")
        }
        if exists(prefix + ".bin") {
            return ApusError(
                "opening \(path)", "found \(prefix).bin without \(prefix).idx",
                remedy: "copy the .idx as well; write \(prefix).bin if it is an llm.c or nanoGPT shard")
        }
        return ApusError(
            "opening \(path)", "found neither \(prefix).idx nor \(path)",
            remedy: "check the path, or make shards with: apus prepare")
    }
}
