import Foundation
import Numerics

/// Which of OpenBLAS's kernels suit this processor, and how a process comes to use them.
///
/// OpenBLAS picks its kernels when it is loaded, from a list of processors that older releases don't know newer ones
/// in: those get kernels for SSE, five times slower. The variable `OPENBLAS_CORETYPE` overrides the choice, but is only
/// read at load time, so a process has to start itself anew to change it.
public enum BLASCoreSelection {
    /// Read by OpenBLAS when it is loaded. A value that the user set is respected: on some machines it is there because
    /// the kernels that would be chosen are wrong.
    public static let variable = "OPENBLAS_CORETYPE"
    /// Set beside `variable` when the value is ours, which also keeps a process from starting itself twice.
    public static let chosenVariable = "APUS_OPENBLAS_CORETYPE"

    /// Kernels in use and how they came to be.
    public struct State: Hashable, Sendable {
        /// The kernels in use.
        public let core: String
        /// The kernels that suit the processor best, best first; empty where nothing better than the default is known.
        public let suitableCores: [String]
        /// Whether the user's environment names the kernels.
        public let isSetByUser: Bool
        /// Whether the kernels were chosen here, by this process or the one that started it.
        public let isChosen: Bool

        package init(core: String, suitableCores: [String], isSetByUser: Bool, isChosen: Bool) {
            self.core = core
            self.suitableCores = suitableCores
            self.isSetByUser = isSetByUser
            self.isChosen = isChosen
        }

        public var isSuitable: Bool { suitableCores.isEmpty || suitableCores.contains(core) }
    }

    public static var state: State {
        let environment = ProcessInfo.processInfo.environment
        let isChosen = environment[variable] != nil && environment[variable] == environment[chosenVariable]
        return State(
            core: BLAS.core, suitableCores: suitableCores(for: .current),
            isSetByUser: environment[variable] != nil && !isChosen, isChosen: isChosen)
    }

    /// The kernels of OpenBLAS for a processor's vector instructions, best first; empty for those without AVX2.
    public static func suitableCores(for features: ProcessorFeatures) -> [String] {
        if features.hasAVX512 { return ["SkylakeX", "Cooperlake", "SapphireRapids"] }
        guard features.hasAVX2 else { return [] }
        return features.vendor == "AuthenticAMD" ? ["Zen", "Haswell"] : ["Haswell", "Zen"]
    }

    /// Starts this program anew with the right kernels, if OpenBLAS chose others and the user none.
    ///
    /// Call it first thing in a process that computes, before MPI is initialised and before there are threads: arguments,
    /// environment and open files are kept, everything else is lost. Returns if there is nothing to change, or if the
    /// system refuses, in which case products are correct but slow.
    public static func reexecuteWithSuitableCore() { reexecute(environmentForWorkers(on: .current)) }

    package static func reexecute(_ changes: [String: String]) {
        guard !changes.isEmpty else { return }
        for (name, value) in changes { setenv(name, value, 1) }
        execv("/proc/self/exe", CommandLine.unsafeArgv)
        for name in changes.keys { unsetenv(name) }
    }

    /// The variables to set for a program to be started here, so that its OpenBLAS has the right kernels; empty where
    /// nothing is to be changed.
    public static func environmentForWorkers(on features: ProcessorFeatures = .current) -> [String: String] {
        let environment = ProcessInfo.processInfo.environment
        let suitable = suitableCores(for: features)
        guard environment[variable] == nil, environment[chosenVariable] == nil, let core = suitable.first,
            BLAS.buildDescription.contains("DYNAMIC_ARCH"), !suitable.contains(BLAS.core)
        else { return [:] }
        return [variable: core, chosenVariable: core]
    }

    /// Compares products with plain loops, since kernels for another processor than this may be wrong without a sign.
    ///
    /// - Throws: `ApusError` with the kernels' name.
    public static func checkProducts() throws {
        let (m, n, k) = (37, 53, 71)
        let a = (0..<m * k).map { Float(($0 * 37) % 101) / 101 - 0.5 }
        let b = (0..<k * n).map { Float(($0 * 53) % 97) / 97 - 0.5 }
        for (transposesA, transposesB) in [(false, false), (false, true), (true, false)] {
            let c = a.withUnsafeBufferPointer { a in
                b.withUnsafeBufferPointer { b in
                    [Float](unsafeUninitializedCapacity: m * n) { c, count in
                        BLAS.multiply(
                            m: m, n: n, k: k,
                            .init(a.baseAddress!, stride: transposesA ? m : k, isTransposed: transposesA),
                            .init(b.baseAddress!, stride: transposesB ? k : n, isTransposed: transposesB),
                            into: c.baseAddress!, stride: n)
                        count = m * n
                    }
                }
            }
            for row in 0..<m {
                for column in 0..<n {
                    let expected = (0..<k).reduce(0.0) { sum, index in
                        let x = transposesA ? a[index * m + row] : a[row * k + index]
                        let y = transposesB ? b[column * k + index] : b[index * n + column]
                        return sum + Double(x) * Double(y)
                    }
                    guard abs(Double(c[row * n + column]) - expected) < 1e-4 else {
                        throw ApusError(
                            "checking OpenBLAS's kernels \"\(BLAS.core)\"",
                            "a matrix product is wrong: expected \(Float(expected)), found \(c[row * n + column])",
                            remedy: "set \(variable) to kernels that work on this processor, for example Haswell")
                    }
                }
            }
        }
    }
}
