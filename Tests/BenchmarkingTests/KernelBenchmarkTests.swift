import Benchmarking
import Foundation
import Numerics
import TestSupport
import Testing

/// What is measured and how it is told; how fast it is depends on the machine.
@Suite(.serialized) struct KernelBenchmarkTests {
    @Test func everyKernelOfAModelIsTimed() throws {
        profilerTurn.lock()
        defer { profilerTurn.unlock() }
        let result = try KernelBenchmark(filter: "gpt2-128x64", seconds: 0.001, threads: 2).run()
        let kernels = Set(result.rows.map(\.kernel))
        let backward = ["linear", "causal attention", "layer norm", "dropout", "embedding"]
        let alone = [
            "product A·Bᵀ", "product A·B", "product Aᵀ·B", "GELU", "GELU, backward", "add", "dropout mask",
            "linear cross-entropy", "gradient norm", "AdamW",
        ]
        #expect(kernels.isSuperset(of: backward + backward.map { "\($0), backward" } + alone), "\(kernels)")
        #expect(result.floors.map(\.threads) == [1, 2])
        for row in result.rows {
            #expect(row.models.contains("gpt2-128x64"))
            #expect(row.timings.map(\.threads) == [1, 2], "\(row.kernel) \(row.shape)")
            for timing in row.timings {
                #expect(timing.calls > 0 && timing.fastestSeconds > 0 && timing.floorSeconds > 0)
                #expect(timing.fastestSeconds <= timing.medianSeconds)
                #expect((0...1).contains(timing.idleShare))
            }
        }
        for row in result.rows { #expect(result.table.contains(row.kernel)) }
        let json = try JSONDecoder().decode(KernelBenchmark.Result.self, from: Data(try result.json.utf8))
        #expect(json.rows.count == result.rows.count)
    }

    @Test func llamasKernelsAreTimedToo() throws {
        profilerTurn.lock()
        defer { profilerTurn.unlock() }
        for (filter, kernels) in [
            ("rms norm", ["RMS norm", "RMS norm, backward"]), ("swiglu", ["SwiGLU", "SwiGLU, backward"]),
            ("rotary", ["rotary embedding"]),
        ] {
            let result = try KernelBenchmark(filter: filter, seconds: 0.001, threads: 1).run()
            #expect(Set(result.rows.map(\.kernel)) == Set(kernels))
            #expect(result.rows.allSatisfy { $0.models == ["llama-135m-x512"] && $0.timings.count == 1 })
        }
    }

    @Test func aProductsWorkIsThatOfItsShape() throws {
        profilerTurn.lock()
        defer { profilerTurn.unlock() }
        let result = try KernelBenchmark(filter: "product A·B 768 × 512", seconds: 0.001, threads: 1).run()
        let row = try #require(result.rows.first)
        #expect(result.rows.count == 1 && row.shape == "768 × 512 → 128")
        let (rows, depth, columns) = (768, 512, 128)
        let elements = rows * depth + depth * columns + rows * columns
        #expect(row.operations == Double(2 * rows * depth * columns))
        #expect(row.bytes == Double(4 * elements))
    }

    @Test func aFilterThatMatchesNothingNamesTheChoices() {
        profilerTurn.lock()
        defer { profilerTurn.unlock() }
        let error = #expect(throws: ApusError.self) {
            try KernelBenchmark(filter: "no such kernel", threads: 1).run()
        }
        #expect(error?.remedy?.contains("layer norm") == true)
        #expect(error?.remedy?.contains("gpt2-124m-x1024") == true)
    }
}
