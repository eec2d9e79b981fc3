import Foundation
import Kernels
import Numerics
import Observability

/// Checks of the matrix products: whether they are right, and how fast.
public enum ArithmeticChecks {
    /// One product's speed beside the processor's peak, both on one thread.
    public struct Speed: Hashable, Sendable {
        public var productGFLOPs: Double
        public var peakGFLOPs: Double

        public init(productGFLOPs: Double, peakGFLOPs: Double) {
            self.productGFLOPs = productGFLOPs
            self.peakGFLOPs = peakGFLOPs
        }
    }

    /// Measures for about half a second, then judges.
    public static func all() -> [Finding] {
        [products(MatrixProduct.check), speed(measureSpeed())]
    }

    package static func products(_ check: () throws -> Void) -> Finding {
        let subject = "matrix products"
        do {
            try check()
            return Finding(subject, .ok, "agree with plain loops")
        } catch let error as ApusError {
            return Finding(subject, .failed, error.problem, cure: error.remedy)
        } catch {
            return Finding(subject, .failed, "\(error)")
        }
    }

    package static func speed(_ speed: Speed) -> Finding {
        let subject = "speed of one core"
        let share = speed.productGFLOPs / speed.peakGFLOPs
        let detail =
            "\(Quantity.fixed(speed.productGFLOPs, 0)) GFLOP/s in products, \(Quantity.percent(share)) of "
            + "\(Quantity.fixed(speed.peakGFLOPs, 0)) fused multiply-add peak"
        guard share >= 0.6 else {
            let cure = "make sure that nothing else is running, and that the program was built for this processor"
            return Finding(subject, .warning, detail, cure: cure)
        }
        return Finding(subject, .ok, detail)
    }

    /// The best of several products of 512 × 512 matrices, which fit the second-level cache.
    private static func measureSpeed() -> Speed {
        let size = 512
        let operands = Arena.allocateAligned(3 * size * size)
        defer { Arena.deallocate(operands) }
        operands.initialize(repeating: 0.5, count: 3 * size * size)
        let (a, b, c) = (operands, operands + size * size, operands + 2 * size * size)
        let product = MatrixProduct(
            rows: size, columns: size, depth: size, MatrixFactor(a, stride: size), MatrixFactor(b, stride: size),
            into: c)
        let pool = ThreadPool(threadCount: 1)
        let clock = ContinuousClock()
        let best = (0..<20).map { _ in
            clock.measure {
                product.run(on: pool)
            }
        }.min()!
        return Speed(
            productGFLOPs: 2 * pow(Double(size), 3) / (best / .seconds(1)) / 1e9,
            peakGFLOPs: PeakMeasurement.multiplyAddGFLOPs(threads: 1))
    }
}
