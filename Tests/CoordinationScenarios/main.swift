// A coordinator whose workers are a program of the test's choosing: coordination-scenarios JOB WORKER
import Coordination
import Foundation
import JobConfiguration
import Numerics

do {
    let (job, worker) = (CommandLine.arguments[1], CommandLine.arguments[2])
    let plan = try LaunchPlan(
        job: try JobConfiguration.load(path: job), request: LaunchRequest(jobPath: job, workerExecutable: worker))
    let requests = StopRequests()
    exit(try await Coordinator(plan: plan).run(stopRequests: requests.stream))
} catch {
    FileHandle.standardError.write(Data("error: \(error)\n".utf8))
    exit((error as? ApusError)?.kind == .runtime ? 1 : 65)
}
