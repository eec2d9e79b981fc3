// Started by the tests of Collectives and Parallelism as every rank of an mpirun job: collectives-scenarios SCENARIO.
// A rank that finds something wrong says so and ends the job with exit code 1.

import Collectives
import Foundation

do {
    switch CommandLine.arguments.dropFirst().first {
    case "conformance": try runConformance()
    case "differentCalls": try callDifferentCollectives()
    case "differentSizes": try passDifferentSizes()
    case "abort": try abortOnLastRank()
    case "describe": try describeWorld()
    case "attention": try compareAttention()
    case "regions": try compareRegions()
    default:
        print("usage: collectives-scenarios conformance|differentCalls|differentSizes|abort|describe|attention|regions")
        exit(64)
    }
} catch {
    FileHandle.standardError.write(Data("\(error)\n".utf8))
    MPIRuntime.abort(code: 65)
}
MPIRuntime.finalize()
