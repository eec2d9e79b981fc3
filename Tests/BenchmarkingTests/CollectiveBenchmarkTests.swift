import Benchmarking
import Collectives
import Testing

@Suite struct CollectiveBenchmarkTests {
    @Test func measuresEverySizeUpToTheLargest() {
        let result = CollectiveBenchmark.run(
            on: SingleProcessCommunicator(), largeBytes: 1 << 20, repetitions: 3)
        let rows = result.rows
        #expect(result.copyGBs > 0 && result.ranks == 1)
        let allReduces = rows.filter { $0.collective.hasPrefix("all-reduce") }
        #expect(allReduces.map(\.bytes) == [4096, 4096, 65_536, 65_536, 1_048_576, 1_048_576])
        #expect(rows.contains { $0.collective == "all-gather of shared memory" && $0.bytes == 1 << 20 })
        // Without a launcher there is no MPI to compare with.
        #expect(rows.allSatisfy { $0.timesFasterThanMPI == nil && $0.bestSeconds <= $0.medianSeconds })
        let lines = result.table.split(separator: "\n", omittingEmptySubsequences: false)
        let heading = lines.firstIndex { $0.hasPrefix("collective") }
        #expect(heading.map { lines.count - $0 - 1 } == rows.count)
        #expect(result.table.contains("reduce-scatter of ordinary memory"))
    }
}
