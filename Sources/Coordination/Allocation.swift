import Foundation
import Numerics

/// Where the ranks of a job may run.
public enum Allocation: Hashable, Sendable {
    /// This host alone; more ranks than cores share them.
    case local(ProcessorCount)
    case hosts(Hostfile)
    /// The tasks of a Slurm job.
    case slurm(tasks: Int, nodes: Int, processorsPerTask: Int?)

    /// The ranks that may be started, nil where there is no limit or it is not known here.
    public var slots: Int? {
        switch self {
        case .local: nil
        case .hosts(let hostfile): hostfile.slots
        case .slurm(let tasks, _, _): tasks
        }
    }

    public var isOnThisHostAlone: Bool {
        switch self {
        case .local: true
        case .hosts: false
        case .slurm(_, let nodes, _): nodes == 1
        }
    }

    /// Under Slurm, its `SLURM_NTASKS` or, without tasks, the processors of its nodes; a hostfile comes before that.
    public static func current(
        hostfile: String?, environment: [String: String], processors: ProcessorCount
    ) throws -> Allocation {
        if let hostfile { return .hosts(try Hostfile(path: hostfile)) }
        guard environment["SLURM_JOB_ID"] != nil else { return .local(processors) }
        let number = { (name: String) in environment[name].flatMap { Int($0) } }
        let nodes = number("SLURM_JOB_NUM_NODES") ?? number("SLURM_NNODES") ?? 1
        let processorsPerTask = number("SLURM_CPUS_PER_TASK")
        guard let tasks = number("SLURM_NTASKS") ?? number("SLURM_NPROCS") else {
            throw ApusError(
                "reading Slurm's allocation", "SLURM_JOB_ID is set, but SLURM_NTASKS is not",
                remedy: "ask for tasks, for example: sbatch --ntasks=4 --cpus-per-task=8")
        }
        return .slurm(tasks: tasks, nodes: nodes, processorsPerTask: processorsPerTask)
    }

    /// - Throws: `ApusError` that names what gives too few ranks.
    func check(ranks: Int, job: String) throws {
        guard let slots, ranks > slots else { return }
        let (source, remedy) =
            switch self {
            case .local(let processors): ("\(processors.cores) cores", "")
            case .hosts(let hostfile): ("the hostfile \(hostfile.path)", "add hosts or slots to the hostfile")
            case .slurm: ("Slurm's allocation", "ask Slurm for \(ranks) tasks (--ntasks)")
            }
        throw ApusError(
            "starting job '\(job)'", "it needs \(ranks) ranks, but \(source) gives \(slots)",
            remedy:
                "\(remedy), or set parallelism.data and parallelism.tensor so that their product is at most \(slots)")
    }
}
