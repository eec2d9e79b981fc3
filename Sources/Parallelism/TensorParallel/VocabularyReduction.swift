import Autograd
import Collectives
import Foundation

/// Softmax statistics over a vocabulary that is split over ranks: 3 numbers a token travel, never the logits.
final class VocabularyReduction: SoftmaxReduction {
    private let communicator: any Communicator
    private var gathered: [Float] = []

    init(_ communicator: any Communicator) { self.communicator = communicator }

    func merge(_ statistics: UnsafeMutablePointer<Float>, rows: Int) {
        let part = rows * 3
        let count = part * communicator.size
        if gathered.count < count { gathered = [Float](repeating: 0, count: count) }
        gathered.withUnsafeMutableBufferPointer { gathered in
            let parts = UnsafeMutableBufferPointer(rebasing: gathered[..<count])
            (parts.baseAddress! + communicator.rank * part).update(from: statistics, count: part)
            communicator.allGather(parts, label: "softmax statistics")
            for row in 0..<rows {
                var maximum = -Float.infinity
                var targetLogit: Float = 0
                for rank in 0..<communicator.size {
                    maximum = max(maximum, parts[rank * part + row * 3])
                    targetLogit += parts[rank * part + row * 3 + 2]
                }
                var sum: Float = 0
                for rank in 0..<communicator.size {
                    sum += parts[rank * part + row * 3 + 1] * exp(parts[rank * part + row * 3] - maximum)
                }
                statistics[row * 3] = maximum
                statistics[row * 3 + 1] = sum
                statistics[row * 3 + 2] = targetLogit
            }
        }
    }
}
