import Checkpointing
import Collectives
import Foundation
import Numerics
import Parallelism

/// Compares the copies of parameters and moments that ranks hold in memory of their own.
///
/// Replicas compute the same bits, and so do tensor-parallel ranks for the parameters that they all have whole, and
/// pipeline stages for those that two of them have. A copy that differs was changed by faulty memory or a faulty core. The replicas of one host have one copy between them, which
/// has nothing to be compared with on that host.
public final class ReplicaCheck {
    /// One copy of the tensors of a tensor-parallel rank of a pipeline stage.
    struct Copy: Hashable {
        /// The first rank of the world that has it.
        var rank: Int
        var host: String
        var tensorRank: Int
        var stage: Int
    }

    /// A tensor of the model or its optimizer.
    struct Subject: Hashable {
        var name: String
        /// Whether all tensor-parallel ranks hold it whole.
        var isReplicated: Bool
        /// The pipeline stages that hold it.
        var stages: [Int]
    }

    /// What this rank hashes of a copy: a piece of a tensor.
    private struct Tile {
        var tensor: Int
        var bytes: UnsafeRawBufferPointer
        var seed: UInt64
    }

    private let world: any Communicator
    private let pool: ThreadPool
    /// Those of all stages.
    private let subjects: [Subject]
    private let tiles: [Tile]
    private let tileHashes: UnsafeMutableBufferPointer<UInt64>
    private let copies: [Copy]
    private let copyOfRank: [Int]

    private static let tileBytes = 1 << 18

    /// Collective over the mesh.
    public init(_ engine: TrainingEngine) {
        world = engine.mesh.world
        pool = engine.tape.pool
        let subjects = engine.tensorsOfAllStages
        self.subjects = subjects
        let numbers = Dictionary(uniqueKeysWithValues: subjects.enumerated().map { ($1.name, $0) })
        var tiles: [Tile] = []
        let memory = engine.replicaMemory
        for (_, buffers) in engine.namedBuffers(of: engine.store.entries) {
            for (name, values) in buffers {
                let number = numbers[name]!
                let bytes = values.bytes
                for (index, start) in stride(from: 0, to: bytes.count, by: Self.tileBytes).enumerated() {
                    tiles.append(
                        Tile(
                            tensor: number,
                            bytes: UnsafeRawBufferPointer(
                                rebasing: bytes[start..<min(start + Self.tileBytes, bytes.count)]),
                            seed: UInt64(number) << 32 | UInt64(index)))
                }
            }
        }
        // Those who have a copy in common share the work.
        self.tiles = tiles.indices.filter { $0 % memory.sharerCount == memory.index }.map { tiles[$0] }
        tileHashes = .allocate(capacity: self.tiles.count)
        tileHashes.initialize(repeating: 0)

        let mesh = engine.mesh.configuration
        let owner = engine.mesh.worldRank(ofReplica: memory.ranks[0])
        let cards = world.gatherToAll(
            withUnsafeBytes(of: UInt64(owner)) { Array($0) } + Array(HostRoll.hostName.utf8),
            label: "copies of the parameters")
        let owners = cards.map { card in Int(card[..<8].withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }) }
        let distinct = Set(owners).sorted()
        copies = distinct.map { rank in
            Copy(
                rank: rank, host: String(decoding: cards[rank].dropFirst(8), as: UTF8.self),
                tensorRank: mesh.coordinate(.tensor, of: rank), stage: mesh.coordinate(.pipeline, of: rank))
        }
        copyOfRank = owners.map { distinct.firstIndex(of: $0)! }
    }

    deinit { tileHashes.deallocate() }

    /// Whether there is anything that two copies have in common. The same on every rank.
    public var comparesAnything: Bool {
        subjects.contains { subject in ReplicaVerdict.holders(of: subject, copies).contains { $0.count > 1 } }
    }

    /// Compares all copies as they are now, between two updates; the same verdict on every rank, nil where all is well.
    /// Collective over the mesh.
    public func verdict() -> ReplicaVerdict? {
        pool.forEachTile(tiles.count) { [tiles, tileHashes] tile, _ in
            tileHashes[tile] = XXH64.hash(tiles[tile].bytes, seed: tiles[tile].seed)
        }
        // Sums of hashes do not depend on who hashed which tile.
        var hashes = [UInt64](repeating: 0, count: subjects.count)
        for (tile, hash) in zip(tiles, tileHashes) { hashes[tile.tensor] &+= hash }
        // Tensor by tensor only where it is worth it.
        let digest = digest(hashes)
        guard ReplicaVerdict(digest.map(\.subject), copies: copies, hashes: gather(digest.map(\.hash))) != nil else {
            return nil
        }
        return ReplicaVerdict(subjects, copies: copies, hashes: gather(hashes))
    }

    /// Sums of the hashes of tensors that are held alike.
    private func digest(_ hashes: [UInt64]) -> [(subject: Subject, hash: UInt64)] {
        var sums: [Subject: UInt64] = [:]
        for (subject, hash) in zip(subjects, hashes) {
            let kind = Subject(name: "", isReplicated: subject.isReplicated, stages: subject.stages)
            sums[kind, default: 0] &+= hash
        }
        // All ranks have all kinds, in one order.
        return sums.sorted {
            ($0.key.isReplicated ? 1 : 0, $0.key.stages.map(String.init).joined(separator: " "))
                < ($1.key.isReplicated ? 1 : 0, $1.key.stages.map(String.init).joined(separator: " "))
        }.map { (subject: $0.key, hash: $0.value) }
    }

    /// Each copy's hashes: the sums of what its sharers have.
    private func gather(_ hashes: [UInt64]) -> [[UInt64]] {
        let reports = world.gatherToAll(hashes.withUnsafeBytes { Array($0) }, label: "hashes of the parameters")
        var sums = copies.map { _ in [UInt64](repeating: 0, count: hashes.count) }
        for (rank, report) in reports.enumerated() {
            report.withUnsafeBytes { bytes in
                for index in hashes.indices {
                    sums[copyOfRank[rank]][index] &+= bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self)
                }
            }
        }
        return sums
    }
}
