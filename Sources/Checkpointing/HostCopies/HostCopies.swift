import Collectives
import Foundation
import Numerics

/// A second tier of checkpoints: every host keeps its ranks' part of the state in a folder of its own, on a local disk or
/// in memory (`/dev/shm`), and a copy of the part of the host before it.
///
///     host 0: parts of 0 and 2      host 1: parts of 1 and 0      host 2: parts of 2 and 1
///
/// So a save costs no shared disk, and the whole is there as long as no two neighbours are lost together. It cannot be
/// used where it lies: `restore` puts it together among the run's own checkpoints.
public final class HostCopies {
    let folder: CheckpointFolder
    let communicator: any Communicator
    private let hosts: HostRoll
    private let transfers: [Transfer]

    /// The first rank of each host does for it what is done once.
    let isLeader: Bool

    /// A rank's file travels from it to one of the next host.
    private struct Transfer {
        let source: Int
        let destination: Int
    }

    /// Files travel in pieces of this size.
    private static let pieceBytes = 16 << 20
    private static let tag = 4711

    /// Makes the folders. Collective over `communicator`.
    ///
    /// - Parameters:
    ///   - folder: where hosts keep their copies, in a subfolder for this run; `{host}` in it stands for the host's name.
    ///   - run: what this run's copies are told from others' by.
    /// - Throws: on every rank the same `ApusError`, where a folder cannot be made or hosts have one in common.
    public init(_ folder: String, run: String, communicator: any Communicator) throws {
        let hosts = HostRoll(communicator)
        let host = hosts.hostOfRank[communicator.rank]
        self.hosts = hosts
        self.communicator = communicator
        let path = folder.replacing("{host}", with: hosts.names[host])
        // Two, since a crash during a save may leave the newest on some hosts only.
        self.folder = CheckpointFolder("\(path)/\(run)", retention: .init(keepLast: 2))
        isLeader = hosts.ranks(ofHost: host)[0] == communicator.rank
        transfers = Self.transfers(hosts)
        try takeFolder(host: host)
    }

    /// Leaves a sign in this host's folder, and looks for those of others.
    private func takeFolder(host: Int) throws {
        let agreement = SaveAgreement(
            step: 0, communicator: communicator, operation: "preparing checkpoint.localFolder")
        let folder = self.folder
        func sign(_ host: Int) -> String { folder.file(".host-\(host)") }
        try agreement.agree("hosts' folders") {
            guard isLeader else { return }
            try folder.create()
            // A crash may have left one.
            for host in hosts.names.indices where folder.exists(sign(host)) {
                try folder.fileSystem.removeFile(sign(host))
            }
        }
        defer { if isLeader { try? folder.fileSystem.removeFile(sign(host)) } }
        try agreement.agree("hosts' signs") { if isLeader { try folder.fileSystem.writeFile(sign(host), []) } }
        try agreement.agree("hosts' own folders") {
            guard isLeader, let other = hosts.names.indices.first(where: { $0 != host && folder.exists(sign($0)) })
            else { return }
            throw ApusError(
                folder.path, "is the same folder on \(hosts.names[host]) and \(hosts.names[other])",
                remedy: "name one that each host has for itself, or put {host} into it")
        }
    }

    /// In an order in which blocking calls cannot wait for one another in a circle, and half of the hosts are at work at
    /// a time.
    private static func transfers(_ hosts: HostRoll) -> [Transfer] {
        guard hosts.names.count > 1 else { return [] }
        let all = hosts.names.indices.flatMap { host in
            let partners = hosts.ranks(ofHost: (host + 1) % hosts.names.count)
            return hosts.ranks(ofHost: host).enumerated().map { index, rank in
                (host, Transfer(source: rank, destination: partners[index % partners.count]))
            }
        }
        return (all.filter { $0.0 % 2 == 0 } + all.filter { $0.0 % 2 == 1 }).map(\.1)
    }

    // MARK: Saving

    /// Saves the tensors of all ranks, each host's on it and on the next. Collective.
    ///
    /// - Throws: on every rank the same `ApusError`; the copies that were there before stay as they are.
    public func save(
        step: Int, tensors: [CheckpointTensor], state: CheckpointState
    ) throws -> CheckpointWriter.Saved {
        let agreement = SaveAgreement(step: step, communicator: communicator)
        let save = CheckpointSave(folder: folder, step: step, rank: communicator.rank, ranks: communicator.size)
        do {
            try agreement.agree("hosts' folders") { if isLeader { try save.begin() } }
            let parts = try agreement.agree("hosts' files") { try save.writeOwnPart(tensors) }
            let problem = exchange(parts, in: folder.partialPath(step: step))
            try agreement.agree("partners' files") { if let problem { throw problem } }
            let outcomes = try agreement.agree("hosts' commit") {
                isLeader ? try save.commit(parts, state: state) : CheckpointSave.Outcome()
            }
            return CheckpointWriter.Saved(
                entry: .init(step: step, path: folder.finalPath(step: step)), bytes: outcomes[0].bytes,
                writingSeconds: outcomes[0].writingSeconds, warnings: outcomes.flatMap(\.warnings))
        } catch {
            if isLeader { save.withdraw() }
            throw error
        }
    }

    /// Gives each rank's file to its partner. A rank that fails keeps sending and receiving, since others wait for it.
    private func exchange(_ parts: [CheckpointSave.Part], in folder: String) -> (any Error)? {
        var problem: (any Error)?
        func trying(_ body: () throws -> Void) {
            guard problem == nil else { return }
            do { try body() } catch { problem = error }
        }
        for transfer in transfers {
            guard let (name, file) = parts[transfer.source].files.first else { continue }
            let path = "\(folder)/\(name)"
            switch communicator.rank {
            case transfer.source:
                var input: InputFile?
                trying { input = try InputFile(path, fileSystem: self.folder.fileSystem, operation: "reading \(path)") }
                inPieces(of: file.bytes) { piece, start in
                    trying { try input?.read(into: piece, at: start, operation: "reading \(path)") }
                    communicator.send(
                        UnsafeRawBufferPointer(piece), to: transfer.destination, tag: Self.tag, label: "partner's copy")
                }
            case transfer.destination:
                var output: OutputFile?
                trying { output = try OutputFile(path, fileSystem: self.folder.fileSystem) }
                inPieces(of: file.bytes) { piece, _ in
                    communicator.receive(piece, from: transfer.source, tag: Self.tag, label: "partner's copy")
                    trying { try output?.write(UnsafeRawBufferPointer(piece)) }
                }
                trying { try output?.finish() }
            default: break
            }
        }
        return problem
    }

    private func inPieces(of bytes: Int, _ body: (_ piece: UnsafeMutableRawBufferPointer, _ start: Int) -> Void) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: min(bytes, Self.pieceBytes), alignment: 64)
        defer { buffer.deallocate() }
        for start in stride(from: 0, to: bytes, by: Self.pieceBytes) {
            body(UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(Self.pieceBytes, bytes - start)]), start)
        }
    }
}
