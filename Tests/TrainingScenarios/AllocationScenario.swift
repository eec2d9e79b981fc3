import Foundation
import Models
import Parallelism

@_silgen_name("backtrace") private func backtrace(
    _ frames: UnsafeMutablePointer<UnsafeMutableRawPointer?>, _ capacity: Int32
) -> Int32
@_silgen_name("backtrace_symbols_fd") private func writeSymbols(
    _ frames: UnsafeMutablePointer<UnsafeMutableRawPointer?>, _ count: Int32, _ descriptor: Int32)

/// Trains each model for two steps and counts what six more take, rank by rank.
func countAllocations(_ place: Place, traces: Bool) {
    // The first backtrace loads a library.
    if traces { showAllocation() }
    for (name, model, batchSize) in models {
        let ways = Recomputation.allCases.map { ($0, Determinism.fast) } + [(.selective, .topology)]
        for (recomputation, determinism) in ways {
            let trainer = Trainer(
                model, batchSize: batchSize, recomputation: recomputation, determinism: determinism, on: place)
            for _ in 0..<2 { _ = trainer.step() }
            AllocationCounter.onAllocation = traces ? showAllocation : nil
            let (allocations, faults) = (AllocationCounter.count, pageFaults())
            for _ in 0..<6 { _ = trainer.step() }
            let (allocationsAfter, faultsAfter) = (AllocationCounter.count, pageFaults())
            AllocationCounter.onAllocation = nil
            report(
                "\(name), \(recomputation), \(determinism)", allocationsAfter - allocations, faultsAfter - faults, place
            )
        }
    }
}

/// The same for every schedule of a pipeline along which all ranks are.
///
/// Recordings trade places with each other until all are as large as the largest: four steps.
func countPipelineAllocations(_ place: Place, traces: Bool) {
    if traces { showAllocation() }
    for (name, model, batchSize) in models.prefix(2) {
        var model = model
        model.layers = 4
        for kind in PipelineSchedule.Kind.allCases {
            let trainer = Trainer(
                model, batchSize: batchSize, determinism: .topology,
                pipeline: PipelineConfiguration(schedule: kind, virtualStages: kind == .interleaved ? 2 : 1), on: place)
            for _ in 0..<4 { _ = trainer.step() }
            AllocationCounter.onAllocation = traces ? showAllocation : nil
            let (allocations, faults) = (AllocationCounter.count, pageFaults())
            for _ in 0..<6 { _ = trainer.step() }
            let (allocationsAfter, faultsAfter) = (AllocationCounter.count, pageFaults())
            AllocationCounter.onAllocation = nil
            report("\(name), \(kind)", allocationsAfter - allocations, faultsAfter - faults, place)
        }
    }
}

private func report(_ name: String, _ allocations: Int, _ faults: Int, _ place: Place) {
    var counts: [Int64] = [Int64(allocations), Int64(faults)]
    counts.withUnsafeMutableBufferPointer { place.mesh.world.allReduce($0, .max, label: "counts") }
    if place.isFirst { print("\(name): allocations \(counts[0]), page faults \(counts[1])") }
}

/// Pages that this process touched for the first time, or again after the system took them away.
private func pageFaults() -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_minflt
}

/// Writes the callers of an allocation to standard error; `addr2line` and `swift demangle` make them readable.
private func showAllocation() {
    withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer?.self, capacity: 16) { frames in
        let count = backtrace(frames.baseAddress!, 16)
        writeSymbols(frames.baseAddress!, count, 2)
        write(2, "--\n", 3)
    }
}
