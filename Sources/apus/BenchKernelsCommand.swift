import ArgumentParser
import Benchmarking
import Kernels
import Numerics
import Observability

struct BenchKernelsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kernels", abstract: "Time every kernel against what the machine could do.",
        discussion: """
            Products, attention, norms, activations, the loss, dropout and the optimizer run at the shapes of several \
            models, forward and backward, on one thread and on all. The peak and the copy bandwidth that they are \
            compared with are measured in the same run.
            """)

    @Option(help: "Only kernels or models whose names contain this.") var filter: String?
    @Option(help: "Seconds for each kernel, shape and number of threads.") var seconds = 0.1
    @Option(help: "The larger number of threads (default: the cores).") var threads: Int?
    @Flag(help: "Print one JSON object.") var json = false

    func validate() throws {
        guard seconds > 0, seconds <= 3600 else {
            throw ValidationError("--seconds must be above 0 and at most 3600, got \(seconds)")
        }
        if let threads, !(1...4096).contains(threads) {
            throw ValidationError("--threads must be from 1 to 4096, got \(threads)")
        }
    }

    func run() throws {
        try MatrixProduct.check()
        let benchmark = KernelBenchmark(filter: filter, seconds: seconds, threads: threads ?? OnlineCores.count)
        let isWatched = StandardStream.isTerminal(StandardStream.error)
        let result = try benchmark.run { text in
            if isWatched { StandardStream.write("\r\u{1b}[K\(text)", to: StandardStream.error) }
        }
        if isWatched { StandardStream.write("\r\u{1b}[K", to: StandardStream.error) }
        print(json ? try result.json : result.table)
    }
}
