import Foundation
import Numerics

/// The folder that the shards of a corpus are written to.
struct OutputFolder {
    private let path: String
    private let isNew: Bool

    /// Makes the folder if need be.
    ///
    /// - Throws: `ApusError` if it can't be made, or holds shards that must not be overwritten.
    init(_ path: String, overwrites: Bool) throws {
        self.path = path
        let manager = FileManager.default
        isNew = !manager.fileExists(atPath: path)
        if isNew {
            do {
                try manager.createDirectory(atPath: path, withIntermediateDirectories: true)
            } catch {
                throw ApusError(
                    "making the folder \(path)", error.localizedDescription,
                    remedy: "check the path and the permissions of the folder above it")
            }
        }
        let present = SplitSide.allCases.flatMap(shards).filter { manager.fileExists(atPath: $0) }
        if !overwrites, let first = present.first {
            throw ApusError(
                "preparing tokens", "\(first) exists already",
                remedy: "write to another folder, or replace the shards with --overwrite")
        }
    }

    func prefix(_ side: SplitSide) -> String { (path.hasSuffix("/") ? path : path + "/") + side.rawValue }

    /// Removes data that the new data does not replace, lest the two be used together.
    func removeShards(_ side: SplitSide) {
        for shard in shards(side) { unlink(shard) }
    }

    /// Takes the folder away again, if it wasn't there before and nothing is in it.
    func removeIfNew() {
        if isNew { rmdir(path) }
    }

    private func shards(_ side: SplitSide) -> [String] { [".bin", ".idx"].map { prefix(side) + $0 } }
}
