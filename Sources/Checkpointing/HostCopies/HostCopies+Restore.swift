import Foundation
import Numerics

extension HostCopies {
    /// What a host has of one save.
    private struct Holding: Codable {
        var step: Int
        /// Of the manifest, which is the same on every host.
        var manifestHash: UInt64
        var needed: [String: Int]
        /// Files that are there, with all their bytes.
        var present: Set<String>
    }

    /// Puts the newest save that the hosts of this start still have between them among a run's checkpoints, where it is
    /// newer than all of those. Collective.
    ///
    /// Its blocks are checked when the checkpoint is read, as those of any other.
    /// - Returns: the step that was restored, and what did not work; on every rank the same.
    public func restore(into run: CheckpointFolder) throws -> (step: Int?, warning: String?) {
        let newest = try share { try Self.newestStep(of: run) }
        let reports = communicator.gatherToAll(
            Array(try JSONEncoder().encode(isLeader ? holdings(after: newest) : [])), label: "hosts' copies")
        let holdings = try reports.map { try JSONDecoder().decode([Holding].self, from: Data($0)) }
        guard let found = Self.newestWhole(holdings) else { return (nil, nil) }
        let agreement = SaveAgreement(step: found.step, communicator: communicator)
        do {
            let partial = run.partialPath(step: found.step)
            try agreement.agree("restored folder") {
                if communicator.rank == 0 { try run.makePartial(step: found.step) }
            }
            try agreement.agree("restored files") {
                let mine = found.holderOfFile.filter { $0.value == communicator.rank }.keys.sorted()
                for name in mine { try copy(name, ofStep: found.step, into: partial) }
                if found.manifestHolder == communicator.rank {
                    try copy(CheckpointManifest.fileName, ofStep: found.step, into: partial)
                }
            }
            try agreement.agree("restored checkpoint") {
                if communicator.rank == 0 { try run.commit(step: found.step) }
            }
            return (found.step, nil)
        } catch {
            if communicator.rank == 0 { try? run.removeTree(run.partialPath(step: found.step)) }
            return (nil, "the hosts' own copies of step \(found.step) could not be restored: \(error)")
        }
    }

    /// Rank 0's value on all ranks.
    private func share(_ value: () throws -> Int) throws -> Int {
        var number = Int64(0)
        if communicator.rank == 0 { number = Int64((try? value()) ?? .max) }
        withUnsafeMutableBytes(of: &number) { communicator.broadcast($0, from: 0, label: "newest checkpoint") }
        return Int(number)
    }

    /// -1 where there is none. A run that its user took back to an earlier step keeps it: nothing is newer then.
    private static func newestStep(of run: CheckpointFolder) throws -> Int {
        guard let newest = try run.entries().last?.step else { return -1 }
        return try run.latest()?.step == newest ? newest : .max
    }

    private func holdings(after step: Int) -> [Holding] {
        let entries = ((try? folder.entries()) ?? []).filter { $0.step > step }
        return entries.compactMap { entry in
            let path = "\(entry.path)/\(CheckpointManifest.fileName)"
            let operation = "reading \(path)"
            guard let file = try? InputFile(path, fileSystem: folder.fileSystem, operation: operation),
                let bytes = try? file.readBytes(0..<file.size, operation: operation),
                let manifest = try? CheckpointManifest(decoding: bytes, operation: operation),
                manifest.step == entry.step
            else { return nil }
            let present = manifest.files.filter { name, file in
                (try? folder.fileSystem.status("\(entry.path)/\(name)"))?.size == file.bytes
            }
            return Holding(
                step: entry.step, manifestHash: bytes.withUnsafeBytes { XXH64.hash($0) },
                needed: manifest.files.mapValues(\.bytes), present: Set(present.keys))
        }
    }

    private struct Whole {
        var step: Int
        var manifestHolder: Int
        var holderOfFile: [String: Int]
    }

    /// The newest save of which some rank has each file.
    private static func newestWhole(_ holdings: [[Holding]]) -> Whole? {
        let steps = Set(holdings.joined().map(\.step)).sorted(by: >)
        for step in steps {
            let those = holdings.enumerated().compactMap { rank, holdings in
                holdings.first { $0.step == step }.map { (rank: rank, holding: $0) }
            }
            // A save of another run of the same step would have another manifest.
            for (manifestHolder, first) in those {
                let alike = those.filter { $0.holding.manifestHash == first.manifestHash }
                var holders: [String: Int] = [:]
                for (rank, holding) in alike.reversed() {
                    for name in holding.present { holders[name] = rank }
                }
                if holders.count == first.needed.count {
                    return Whole(step: step, manifestHolder: manifestHolder, holderOfFile: holders)
                }
            }
        }
        return nil
    }

    private func copy(_ name: String, ofStep step: Int, into destination: String) throws {
        let source = "\(folder.finalPath(step: step))/\(name)"
        let operation = "restoring \(source)"
        let input = try InputFile(source, fileSystem: folder.fileSystem, operation: operation)
        let output = try OutputFile("\(destination)/\(name)", fileSystem: folder.fileSystem)
        for start in stride(from: 0, to: input.size, by: 1 << 24) {
            try output.write(try input.readBytes(start..<min(start + 1 << 24, input.size), operation: operation))
        }
        try output.finish()
    }
}
