import Kernels
import Numerics

/// The machine that a benchmark ran on, as far as it says something about its figures.
public struct BenchmarkMachine: Codable, Hashable, Sendable {
    /// For example `AMD EPYC 7551`.
    public var processor: String
    /// Cores that this process may run on.
    public var cores: Int
    /// The widest vectors that the processor has, in bits.
    public var vectorBits: Int
    /// The vectors that the program was built for, in bits.
    public var builtVectorBits: Int

    public static var current: BenchmarkMachine {
        let features = ProcessorFeatures.current
        return BenchmarkMachine(
            processor: features.model.isEmpty ? "unknown processor" : features.model, cores: OnlineCores.count,
            vectorBits: features.hasAVX512 ? 512 : features.hasAVX2 ? 256 : 128,
            builtVectorBits: VectorWidth.native.rawValue)
    }

    /// One line for a reader.
    public var text: String {
        "\(processor), \(cores) core\(cores == 1 ? "" : "s") for this process, vectors of \(vectorBits) bits, "
            + "built for \(builtVectorBits)"
    }
}
