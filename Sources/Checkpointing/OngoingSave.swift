import Collectives
import Numerics

/// A save that goes on while its ranks do other things: files are written by a thread of each rank, and so is what rank
/// 0 does to make the whole visible. Those threads call nothing of MPI.
///
/// Two stages follow one another, `advance` ends each. In between, a rank asks now and then whether its part of the stage
/// `hasEnded`, and the ranks tell each other by whatever they exchange anyway. One save at a time: the next begins when
/// this one is committed or has failed.
public final class OngoingSave {
    public let step: Int
    private let save: CheckpointSave
    private let state: CheckpointState
    private let agreement: SaveAgreement
    private var stage: Stage

    private enum Stage {
        case files(BackgroundWork<CheckpointSave.Part>)
        /// Rank 0's alone.
        case commit(BackgroundWork<CheckpointSave.Outcome>?)
    }

    /// Begins a save. Collective, as `CheckpointWriter.save` is.
    ///
    /// - Parameters:
    ///   - owner: Kept alive for as long as the tensors' memory is read.
    ///   - tensors: Called once. Their memory must hold the same values until the save has ended.
    public init(
        folder: CheckpointFolder, step: Int, state: CheckpointState, communicator: any Communicator,
        keeping owner: (any AnyObject & Sendable)? = nil, tensors: () throws -> [CheckpointTensor]
    ) throws {
        self.step = step
        self.state = state
        agreement = SaveAgreement(step: step, communicator: communicator)
        let save = CheckpointSave(folder: folder, step: step, rank: communicator.rank, ranks: communicator.size)
        self.save = save
        var given: [CheckpointTensor] = []
        do {
            try agreement.agree("begin") {
                if save.rank == 0 { try save.begin() }
                given = try tensors()
            }
        } catch {
            if save.rank == 0 { save.withdraw() }
            throw error
        }
        // The tensors' memory is this save's until it has ended, and one thread reads it.
        nonisolated(unsafe) let part = given
        stage = .files(BackgroundWork("checkpoint") { try withExtendedLifetime(owner) { try save.writeOwnPart(part) } })
    }

    /// Whether this rank has nothing left to do in the stage. Costs a look at an atomic.
    public var hasEnded: Bool {
        switch stage {
        case .files(let work): work.hasEnded
        case .commit(let work): work?.hasEnded ?? true
        }
    }

    /// Waits for the stage to end on all ranks, and begins the next. Collective.
    ///
    /// - Returns: nil after the first stage; after the second, what was saved.
    /// - Throws: on every rank the same `ApusError`. The save is over then, and nothing of it stays behind.
    public func advance() throws -> CheckpointWriter.Saved? {
        do {
            switch stage {
            case .files(let work):
                let parts = try agreement.agree("files") { try work.wait() }
                stage = .commit(
                    save.rank > 0
                        ? nil : BackgroundWork("checkpoint") { [save, state] in try save.commit(parts, state: state) })
                return nil
            case .commit(let work):
                let outcome = try agreement.agree("commit") { try work?.wait() ?? .init() }[0]
                let entry = CheckpointFolder.Entry(step: step, path: save.folder.finalPath(step: step))
                return CheckpointWriter.Saved(
                    entry: entry, bytes: outcome.bytes, writingSeconds: outcome.writingSeconds,
                    warnings: outcome.warnings)
            }
        } catch {
            // Every rank has agreed on the failure, so none of them is still writing there.
            if save.rank == 0 { save.withdraw() }
            throw error
        }
    }

    /// Waits until the save is committed. Collective.
    public func finish() throws -> CheckpointWriter.Saved {
        while true {
            if let saved = try advance() { return saved }
        }
    }
}
