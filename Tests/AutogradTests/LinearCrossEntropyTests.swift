import Autograd
import Foundation
import Kernels
import Numerics
import Synchronization
import Testing

@Suite struct LinearCrossEntropyTests {
    /// One token is left out.
    private static let targets: [Int32] = [3, 0, -1, 10, 3]

    @Test func gradients() {
        Self.targets.withUnsafeBufferPointer { targets in
            GradientCheck.checkObjective([(rows: 5, columns: 6), (rows: 11, columns: 6)], scale: 0.7) { tape, inputs in
                tape.linearCrossEntropy(inputs[0], weight: inputs[1], targets: targets, scale: 0.25)
            }
        }
    }

    @Test func gradientsBehindAnotherOperator() {
        Self.targets.withUnsafeBufferPointer { targets in
            GradientCheck.checkObjective(
                [(rows: 5, columns: 6), (rows: 11, columns: 6), (rows: 6, columns: 6)], scale: 0.7
            ) { tape, inputs in
                let hidden = tape.linear(inputs[0], weight: inputs[2], residual: inputs[0])
                return tape.linearCrossEntropy(hidden, weight: inputs[1], targets: targets, scale: 0.5)
            }
        }
    }

    // MARK: Values

    private struct Outcome: Equatable {
        var loss: Double
        var losses: [Float]
        var hiddenGradient: [Float] = []
        var weightGradient: [Float] = []
    }

    private struct Problem: Sendable {
        let hidden: [Float]
        let weight: [Float]
        let targets: [Int32]
        let columns: Int

        init(tokens: Int, columns: Int, vocabulary: Int, scale: Float = 1) {
            hidden = GradientCheck.randomValues(tokens * columns, scale: scale, seed: 1, name: "hidden")
            weight = GradientCheck.randomValues(vocabulary * columns, seed: 1, name: "weight")
            targets = (0..<tokens).map { $0 % 7 == 6 ? -1 : Int32(($0 * 7919) % vocabulary) }
            self.columns = columns
        }

        var vocabulary: Int { weight.count / columns }

        func run(
            rows: Range<Int>? = nil, threads: Int = 2, isRecording: Bool = true,
            reduction: (any SoftmaxReduction)? = nil
        ) -> Outcome {
            let rows = rows ?? 0..<vocabulary
            return withTape(threads: threads) { tape, bind in
                let hidden = bind(self.hidden, targets.count)
                let weight = bind(
                    Array(self.weight[rows.lowerBound * columns..<rows.upperBound * columns]), rows.count)
                tape.isRecording = isRecording
                tape.startGradients()
                var losses = [Float](repeating: .nan, count: targets.count)
                let loss = targets.withUnsafeBufferPointer {
                    tape.linearCrossEntropy(
                        hidden, weight: weight, targets: $0, scale: 1 / Float(targets.count),
                        firstRow: rows.lowerBound, reduction: reduction, losses: &losses)
                }
                guard isRecording else { return Outcome(loss: loss, losses: losses) }
                tape.backward()
                func gradient(_ tensor: Tensor) -> [Float] {
                    Array(UnsafeBufferPointer(start: tape.gradient(tensor)!, count: tensor.count))
                }
                return Outcome(
                    loss: loss, losses: losses, hiddenGradient: gradient(hidden), weightGradient: gradient(weight))
            }
        }

        /// Loss and gradients by their formulas, in double precision.
        func reference() -> (losses: [Double], hiddenGradient: [Double], weightGradient: [Double]) {
            var losses = [Double](repeating: 0, count: targets.count)
            var hiddenGradient = [Double](repeating: 0, count: hidden.count)
            var weightGradient = [Double](repeating: 0, count: weight.count)
            for (token, target) in targets.enumerated() where target >= 0 {
                let scores = (0..<vocabulary).map { id in
                    (0..<columns).reduce(0.0) {
                        $0 + Double(hidden[token * columns + $1]) * Double(weight[id * columns + $1])
                    }
                }
                let largest = scores.max()!
                let sum = scores.reduce(0) { $0 + exp($1 - largest) }
                losses[token] = log(sum) + largest - scores[Int(target)]
                for (id, score) in scores.enumerated() {
                    let gradient = (exp(score - largest) / sum - (id == target ? 1 : 0)) / Double(targets.count)
                    for column in 0..<columns {
                        hiddenGradient[token * columns + column] += gradient * Double(weight[id * columns + column])
                        weightGradient[id * columns + column] += gradient * Double(hidden[token * columns + column])
                    }
                }
            }
            return (losses, hiddenGradient, weightGradient)
        }
    }

    private func expectClose(_ found: [Float], _ expected: [Double], _ tolerance: Double, _ comment: Comment) {
        let largest = expected.reduce(0) { max($0, abs($1)) }
        let difference = zip(found, expected).reduce(0) { max($0, abs(Double($1.0) - $1.1)) }
        #expect(difference <= tolerance * largest, comment)
    }

    private func expectClose(_ found: [Float], _ expected: [Float], _ tolerance: Double, _ comment: Comment) {
        expectClose(found, expected.map(Double.init), tolerance, comment)
    }

    /// The last has scores of ±100, whose exponentials alone would overflow.
    @Test(arguments: [
        Problem(tokens: 1, columns: 3, vocabulary: 2), Problem(tokens: 40, columns: 20, vocabulary: 1100),
        Problem(tokens: 300, columns: 8, vocabulary: 530), Problem(tokens: 9, columns: 16, vocabulary: 65, scale: 25),
    ])
    private func values(_ problem: Problem) {
        let reference = problem.reference()
        let found = problem.run()
        expectClose(found.losses, reference.losses, 1e-5, "losses")
        expectClose(found.hiddenGradient, reference.hiddenGradient, 1e-5, "hidden gradient")
        expectClose(found.weightGradient, reference.weightGradient, 1e-5, "weight gradient")
        let mean = reference.losses.reduce(0, +) / Double(problem.targets.count)
        #expect(abs(found.loss - mean) <= 1e-5 * max(mean, 1))
        let evaluated = problem.run(isRecording: false)
        #expect(evaluated.losses == found.losses)
        #expect(evaluated.loss == found.loss)
    }

    @Test func everyThreadCountGivesTheSameBits() {
        let problem = Problem(tokens: 300, columns: 24, vocabulary: 1700)
        let alone = problem.run(threads: 1)
        for threads in [2, 4] {
            let isSame = problem.run(threads: threads) == alone
            #expect(isSame, "\(threads) threads")
        }
    }

    /// More scores than a chunk may have: 700 tokens of 60,000.
    @Test func chunksOfTokensGiveTheLossesOfEachTokenAlone() {
        let problem = Problem(tokens: 700, columns: 2, vocabulary: 60_000)
        let found = problem.run()
        let weight = problem.weight
        var worst = 0.0
        for token in stride(from: 0, to: 700, by: 99) where problem.targets[token] >= 0 {
            let (a, b) = (Double(problem.hidden[token * 2]), Double(problem.hidden[token * 2 + 1]))
            let scores = (0..<60_000).map { a * Double(weight[$0 * 2]) + b * Double(weight[$0 * 2 + 1]) }
            let expected = log(scores.reduce(0) { $0 + exp($1) }) - scores[Int(problem.targets[token])]
            worst = max(worst, abs(Double(found.losses[token]) - expected))
        }
        #expect(worst < 5e-5)
        // Probabilities less the targets' ones sum to zero over the vocabulary for every token, so the gradient of a
        // constant added to every weight vanishes.
        for column in 0..<2 {
            let terms = stride(from: column, to: found.weightGradient.count, by: 2).map {
                Double(found.weightGradient[$0])
            }
            #expect(abs(terms.reduce(0, +)) < 1e-5)
            #expect(terms.contains { abs($0) > 1e-6 })
        }
    }

    // MARK: Vocabulary-parallel

    @Test(arguments: [530, 801], [1, 25] as [Float])
    func twoShardsOfTheVocabularyGiveTheDenseResult(vocabulary: Int, scale: Float) async {
        let problem = Problem(tokens: 40, columns: 12, vocabulary: vocabulary, scale: scale)
        let dense = problem.run()
        let cut = vocabulary / 2
        let exchange = StatisticsExchange()
        let shards = [0..<cut, cut..<vocabulary]
        let outcomes = Mutex<[Int: Outcome]>([:])
        let threads = shards.enumerated().map { index, rows in
            Thread {
                let outcome = problem.run(
                    rows: rows, reduction: StatisticsExchange.Rank(exchange: exchange, rank: index))
                outcomes.withLock { $0[index] = outcome }
            }
        }
        for thread in threads { thread.start() }
        while outcomes.withLock({ $0.count }) < 2 { usleep(1000) }
        let (first, second) = outcomes.withLock { ($0[0]!, $0[1]!) }
        #expect(first.losses == second.losses)
        #expect(first.loss == second.loss)
        expectClose(first.losses, dense.losses, 1e-5, "losses")
        let hidden = zip(first.hiddenGradient, second.hiddenGradient).map { $0 + $1 }
        expectClose(hidden, dense.hiddenGradient, 1e-5, "hidden gradient: the sum over the shards")
        expectClose(
            first.weightGradient + second.weightGradient, dense.weightGradient, 1e-5, "weight gradient: shard by shard")
    }

    /// Ranks whose shares of the vocabulary differ must merge equally often, or one waits for ever. By their own shares
    /// these two would choose one chunk and two.
    @Test func unequalSharesMergeEquallyOften() {
        let tokens = 2048
        let counts = [8192, 8193].map { rows in
            let tape = Tape(pool: ThreadPool(threadCount: 1))
            var hidden = [Float](repeating: 0.5, count: tokens)
            var weight = [Float](repeating: 0.5, count: rows)
            let counter = MergeCounter()
            hidden.withUnsafeMutableBufferPointer { hidden in
                weight.withUnsafeMutableBufferPointer { weight in
                    let x = tape.bind(hidden.baseAddress!, rows: tokens, columns: 1)
                    let w = tape.bind(weight.baseAddress!, rows: rows, columns: 1)
                    tape.isRecording = false
                    [Int32](repeating: 0, count: tokens).withUnsafeBufferPointer {
                        _ = tape.linearCrossEntropy(
                            x, weight: w, targets: $0, scale: 1, vocabularySize: 16_385, reduction: counter)
                    }
                }
            }
            return counter.merges
        }
        #expect(counts[0] == counts[1])
        #expect(counts[0] > 1)
    }
}

private final class MergeCounter: SoftmaxReduction {
    private(set) var merges = 0

    func merge(_ statistics: UnsafeMutablePointer<Float>, rows: Int) { merges += 1 }
}

/// Merges the statistics of two threads that stand for ranks.
private final class StatisticsExchange: @unchecked Sendable {
    private let condition = NSCondition()
    private var contributions: [[Float]?] = [nil, nil]
    private var readers = 0

    final class Rank: SoftmaxReduction {
        private let exchange: StatisticsExchange
        private let rank: Int

        init(exchange: StatisticsExchange, rank: Int) {
            self.exchange = exchange
            self.rank = rank
        }

        func merge(_ statistics: UnsafeMutablePointer<Float>, rows: Int) {
            let all = exchange.gather(
                Array(UnsafeBufferPointer(start: statistics, count: rows * 3)), rank: rank)
            for row in 0..<rows {
                let largest = max(all[0][row * 3], all[1][row * 3])
                statistics[row * 3] = largest
                statistics[row * 3 + 1] = all.reduce(0) { $0 + $1[row * 3 + 1] * exp($1[row * 3] - largest) }
                statistics[row * 3 + 2] = all[0][row * 3 + 2] + all[1][row * 3 + 2]
            }
        }
    }

    private func gather(_ contribution: [Float], rank: Int) -> [[Float]] {
        condition.lock()
        defer { condition.unlock() }
        contributions[rank] = contribution
        condition.broadcast()
        while contributions.contains(where: { $0 == nil }) { condition.wait() }
        let all = contributions.compactMap { $0 }
        readers += 1
        if readers == 2 {
            readers = 0
            contributions = [nil, nil]
            condition.broadcast()
        } else {
            while readers != 0 { condition.wait() }
        }
        return all
    }
}
