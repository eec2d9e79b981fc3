import Foundation

/// Runs an executable of this package as `worldSize` ranks under a real `mpirun` on this host.
///
/// More ranks than cores are fine: they are neither bound nor do they spin while idle. Only one such job runs at a
/// time, whatever the parallelism of the tests: `timeout` counts from when it starts.
///
/// - Returns: the exit code of `mpirun` (that of the first rank that failed) and the ranks' output, interleaved.
public func runDistributed(
    worldSize: Int, program: String, arguments: [String] = [], environment: [String: String?] = [:],
    workingDirectory: URL? = nil, timeout: Duration = .seconds(120),
    whileRunning: (@Sendable (RunningProgram) async throws -> Void)? = nil
) async throws -> ProgramResult {
    let launch = [
        "-np", String(worldSize), "--oversubscribe", "--bind-to", "none", "--mca", "mpi_yield_when_idle", "1",
        // Kernels that forbid reading another process's memory make Open MPI print a warning for each rank.
        "--mca", "btl_vader_single_copy_mechanism", "none",
        try builtExecutable(program),
    ]
    var environment = environment
    environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
    environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
    await distributedJobs.enter()
    do {
        let result = try await run(
            "mpirun", launch + arguments, environment: environment, workingDirectory: workingDirectory,
            timeout: timeout, whileRunning: whileRunning)
        await distributedJobs.leave()
        return result
    } catch {
        await distributedJobs.leave()
        throw error
    }
}

private let distributedJobs = Turnstile()

/// Lets one caller through at a time, in order of arrival.
private actor Turnstile {
    private var isOccupied = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func enter() async {
        if !isOccupied {
            isOccupied = true
        } else {
            await withCheckedContinuation { waiting.append($0) }
        }
    }

    func leave() {
        if waiting.isEmpty {
            isOccupied = false
        } else {
            waiting.removeFirst().resume()
        }
    }
}
