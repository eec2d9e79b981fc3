import Foundation
import Kernels
import Numerics

/// What all chunks of one cross-entropy share: tokens' hidden states and the rows of the output projection.
struct VocabularyProjection {
    /// `[N, columns]`
    let hidden: UnsafePointer<Float>
    /// `[vocabulary, columns]`
    let weight: UnsafePointer<Float>
    let columns: Int
    /// Rows of the vocabulary that are held here, from `firstRow` on.
    let vocabulary: Int
    let firstRow: Int
    let targets: UnsafeBufferPointer<Int32>
    let scale: Float
    let pool: ThreadPool
}

/// The softmax of some tokens over the vocabulary, and its gradients.
///
/// Scores lie transposed, `[vocabulary, tokens]`: of the three products with a factor of the vocabulary's size,
///
///     Sᵀ = W·Hᵀ        dH = P·W        dW = Pᵀ·H        (P, the probabilities, minus 1 at the targets, times the scale)
///
/// the first and the last then read weights and probabilities where they are, so that a chunk of few tokens, which
/// takes little memory, costs little more than one of many. P is never written: S becomes the exponentials, and factors
/// of the tokens and ones of the targets are applied to the other side of the products.
struct CrossEntropyChunk {
    private let shared: VocabularyProjection
    /// Tokens of the chunk.
    private let rows: Range<Int>
    /// `[vocabulary, rows]`: scores, then exponentials relative to each token's largest score.
    private let scores: UnsafeMutablePointer<Float>
    /// `[threads, rows]`, then `[1, rows]`: the largest scores.
    private let maxima: UnsafeMutablePointer<Float>
    /// `[vocabulary / sumRows, rows]`
    private let partialSums: UnsafeMutablePointer<Float>
    /// `[rows, 3]`: largest score, sum of exponentials, the target's score.
    private let statistics: UnsafeMutablePointer<Float>
    /// `[rows]`: probability times scale = exponential × factor.
    private let factors: UnsafeMutablePointer<Float>
    /// `[rows, columns]`: hidden states times their factors.
    private let scaledHidden: UnsafeMutablePointer<Float>

    /// Bytes of scores that a chunk may have: few beside the weights, and enough tokens for the products' speed.
    private static let chunkBytes = 32 << 20
    /// Rows of the vocabulary whose exponentials are added in single precision.
    private static let sumRows = 256

    /// Tokens of a chunk: all but the last have as many, and the last nearly.
    ///
    /// - Parameter vocabulary: The whole one; where it is split, ranks then agree on the number of chunks.
    static func rows(tokens: Int, vocabulary: Int) -> Int {
        let most = max(chunkBytes / 4 / max(vocabulary, 1), 48)
        let chunks = (tokens + most - 1) / most
        return min(((tokens + chunks - 1) / max(chunks, 1) + 15) / 16 * 16, tokens)
    }

    /// Floats of memory that a chunk needs.
    static func scratchCount(rows: Int, of shared: VocabularyProjection) -> Int {
        rows * (shared.vocabulary + shared.pool.threadCount + partCount(shared) + 3 + 1 + shared.columns)
    }

    private static func partCount(_ shared: VocabularyProjection) -> Int {
        (shared.vocabulary + sumRows - 1) / sumRows
    }

    /// - Parameter scratch: of as many floats as `scratchCount` says for the largest chunk.
    init(_ shared: VocabularyProjection, rows: Range<Int>, scratch: UnsafeMutablePointer<Float>) {
        self.shared = shared
        self.rows = rows
        scores = scratch
        maxima = scores + rows.count * shared.vocabulary
        partialSums = maxima + rows.count * shared.pool.threadCount
        statistics = partialSums + rows.count * Self.partCount(shared)
        factors = statistics + rows.count * 3
        scaledHidden = factors + rows.count
    }

    // MARK: Forward

    /// - Parameter reduction: merges statistics with those of other ranks' rows of the vocabulary.
    func computeProbabilities(_ reduction: (any SoftmaxReduction)?) {
        computeScores()
        exponentiateScores()
        for row in 0..<rows.count { factors[row] = statistics[row * 3] }
        reduction?.merge(statistics, rows: rows.count)
        for row in 0..<rows.count {
            // The exponentials are relative to this rank's maximum; the sum, by now, to that of the whole vocabulary.
            let shift = exp(factors[row] - statistics[row * 3])
            factors[row] =
                shared.targets[rows.lowerBound + row] < 0 ? 0 : shared.scale * shift / statistics[row * 3 + 1]
        }
    }

    /// Sᵀ = W·Hᵀ, with each token's largest score and that of its target.
    private func computeScores() {
        let count = rows.count
        for index in 0..<shared.pool.threadCount * count { maxima[index] = -.infinity }
        MatrixProduct(
            rows: shared.vocabulary, columns: count, depth: shared.columns,
            MatrixFactor(shared.weight, stride: shared.columns),
            MatrixFactor(
                shared.hidden + rows.lowerBound * shared.columns, stride: shared.columns, isTransposed: true),
            into: scores
        ).run(on: shared.pool) { words, tokens, thread in
            for word in words {
                raise(
                    maxima + thread * count + tokens.lowerBound, to: scores + word * count + tokens.lowerBound,
                    count: tokens.count)
            }
        }
        for thread in 1..<max(shared.pool.threadCount, 1) { raise(maxima, to: maxima + thread * count, count: count) }
        for row in 0..<count {
            let target = Int(shared.targets[rows.lowerBound + row]) - shared.firstRow
            statistics[row * 3] = maxima[row]
            statistics[row * 3 + 2] = (0..<shared.vocabulary).contains(target) ? scores[target * count + row] : 0
        }
    }

    /// Replaces scores by their exponentials and adds these up for each token: in single precision within `sumRows`,
    /// in double beyond, always in the same order.
    private func exponentiateScores() {
        let count = rows.count
        shared.pool.forEachRange(shared.vocabulary, tileSize: Self.sumRows) { words, _ in
            let sums = partialSums + words.lowerBound / Self.sumRows * count
            sums.update(repeating: 0, count: count)
            for word in words { exponentiate(scores + word * count, minus: maxima, count: count, addingTo: sums) }
        }
        for row in 0..<count {
            var sum = 0.0
            for part in 0..<Self.partCount(shared) { sum += Double(partialSums[part * count + row]) }
            statistics[row * 3 + 1] = Float(sum)
        }
    }

    /// The sum of the tokens' losses, and each of them, unscaled, into `losses` (`[N]`).
    func addLosses(into losses: UnsafeMutablePointer<Float>?) -> Double {
        var sum = 0.0
        for row in 0..<rows.count {
            let isCounted = shared.targets[rows.lowerBound + row] >= 0
            let loss = log(statistics[row * 3 + 1]) + statistics[row * 3] - statistics[row * 3 + 2]
            losses?[rows.lowerBound + row] = isCounted ? loss : 0
            if isCounted { sum += Double(loss) }
        }
        return sum
    }

    // MARK: Backward

    /// dH = scale·(P - onehot)·W: the product runs on the exponentials, factors and targets come after.
    func writeHiddenGradient(into gradient: UnsafeMutablePointer<Float>) {
        let columns = shared.columns
        let output = gradient + rows.lowerBound * columns
        MatrixProduct(
            rows: rows.count, columns: columns, depth: shared.vocabulary,
            MatrixFactor(scores, stride: rows.count, isTransposed: true),
            MatrixFactor(shared.weight, stride: columns), into: output
        ).run(on: shared.pool) { tokens, columnRange, _ in
            for row in tokens {
                let destination = output + row * columns
                let factor = factors[row]
                for column in columnRange { destination[column] *= factor }
                guard let target = target(of: row) else { continue }
                let source = shared.weight + target * columns
                for column in columnRange { destination[column] -= shared.scale * source[column] }
            }
        }
    }

    /// dW = scale·(P - onehot)ᵀ·H, instead of or in addition to what is there.
    func addWeightGradient(into gradient: UnsafeMutablePointer<Float>, accumulates: Bool) {
        let columns = shared.columns
        let hidden = shared.hidden + rows.lowerBound * columns
        shared.pool.forEachRange(rows.count, tileSize: 16) { range, _ in
            for row in range {
                let factor = factors[row]
                for index in row * columns..<(row + 1) * columns { scaledHidden[index] = hidden[index] * factor }
            }
        }
        MatrixProduct(
            rows: shared.vocabulary, columns: columns, depth: rows.count, MatrixFactor(scores, stride: rows.count),
            MatrixFactor(scaledHidden, stride: columns), accumulates: accumulates, into: gradient
        ).run(on: shared.pool) { words, columnRange, _ in
            for row in 0..<rows.count {
                guard let target = target(of: row), words.contains(target) else { continue }
                let (destination, source) = (gradient + target * columns, hidden + row * columns)
                for column in columnRange { destination[column] -= shared.scale * source[column] }
            }
        }
    }

    /// The row of `weight` that is a token's target, if this rank holds it and the token counts.
    private func target(of row: Int) -> Int? {
        let id = Int(shared.targets[rows.lowerBound + row])
        guard id >= 0, (0..<shared.vocabulary).contains(id - shared.firstRow) else { return nil }
        return id - shared.firstRow
    }
}
