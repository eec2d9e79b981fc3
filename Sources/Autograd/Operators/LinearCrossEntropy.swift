import Foundation
import Kernels
import Numerics

extension Tape {
    /// The output projection and the softmax cross-entropy in one: the sum over tokens of -log p(target) × `scale`.
    ///
    /// The scores `[N, V]` never exist: they are computed for a chunk of tokens at a time, and while recording the
    /// chunk's gradients with respect to `hidden` and `weight` follow at once, with the scores still in memory.
    /// Calling it is the whole of the loss's backward pass but for handing `hidden` its gradient.
    ///
    /// - Parameters:
    ///   - hidden: `[N, C]`.
    ///   - weight: `[V, C]`, rows `firstRow..<firstRow + V` of the vocabulary.
    ///   - targets: `[N]` ids; a negative one is left out.
    ///   - scale: Usually 1 / (tokens over which the loss is averaged).
    ///   - vocabularySize: Rows of the whole vocabulary; where it is split, every rank must give the same, for it decides
    ///     the chunks and so how often statistics are merged. `V` where it is left out.
    ///   - reduction: Merges statistics over the ranks that hold the other rows; nil where the vocabulary is whole.
    ///     `hidden`'s gradient is then this rank's part, to be summed over the ranks.
    ///   - losses: Receives -log p(target) of each token, `[N]`, 0 where it is left out.
    public func linearCrossEntropy(
        _ hidden: Tensor, weight: Tensor, targets: UnsafeBufferPointer<Int32>, scale: Float, firstRow: Int = 0,
        vocabularySize: Int? = nil, reduction: (any SoftmaxReduction)? = nil, losses: UnsafeMutablePointer<Float>? = nil
    ) -> Double {
        precondition(hidden.columns == weight.columns && targets.count == hidden.rows)
        let mark = mark()
        let inside = makeAlias(of: hidden)
        let hiddenSink = isRecording ? gradientSink(inside) : nil
        let weightSink = isRecording ? gradientSink(weight) : nil
        let chunks = CrossEntropyChunks(
            hidden: value(hidden), weight: value(weight), columns: hidden.columns, vocabulary: weight.rows,
            firstRow: firstRow, targets: targets, scale: scale, pool: pool)
        let chunkRows = CrossEntropyChunks.rows(
            tokens: hidden.rows, vocabulary: vocabularySize ?? weight.rows)

        var loss = 0.0
        withScratch(chunks.scratchCount(rows: chunkRows)) { scratch in
            for start in stride(from: 0, to: hidden.rows, by: chunkRows) {
                let rows = start..<min(start + chunkRows, hidden.rows)
                let chunk = chunks.forward(rows, scratch: scratch, capacity: chunkRows, reduction: reduction)
                loss += chunk.addLosses(into: losses)
                if let hiddenSink { chunk.writeHiddenGradient(into: hiddenSink.pointer) }
                if let weightSink {
                    chunk.addWeightGradient(
                        into: weightSink.pointer, beta: start == 0 ? weightSink.beta : 1)
                }
            }
        }
        if hiddenSink != nil { record(LinearCrossEntropy(hidden: hidden, inside: inside, weight: weight), since: mark) }
        return loss * Double(scale)
    }
}

struct LinearCrossEntropy: Operator {
    let hidden: Tensor
    /// Has the gradient that the forward pass computed.
    let inside: Tensor
    let weight: Tensor

    static let name: StaticString = "linear cross-entropy"

    /// The forward pass computes the gradients too; backwards one only changes hands.
    func cost(on tape: Tape) -> OperatorCost {
        let scores = Trace.Work.product(rows: hidden.rows, columns: weight.rows, depth: hidden.columns)
        // The scores themselves never have to leave the cache.
        let product = Trace.Work(operations: scores.operations)
        let hiddenGradient = tape.requiresGradient(hidden) ? product + .moving(hidden.count) : .init()
        let weightGradient = tape.requiresGradient(weight) ? product + .moving(weight.count) : .init()
        return OperatorCost(
            forward: product + .moving(hidden.count + weight.count) + hiddenGradient + weightGradient,
            shape: .init(rows: hidden.rows, inputs: hidden.columns, outputs: weight.rows))
    }

    func backward(on tape: Tape) { tape.passGradient(from: inside, to: hidden) }
}

/// What all chunks of one cross-entropy share.
private struct CrossEntropyChunks {
    let hidden: UnsafePointer<Float>
    let weight: UnsafePointer<Float>
    let columns: Int
    let vocabulary: Int
    let firstRow: Int
    let targets: UnsafeBufferPointer<Int32>
    let scale: Float
    let pool: ThreadPool

    /// Bytes of scores that a chunk may have: few enough not to show beside the weights, enough tokens for the products
    /// to run at full speed.
    private static let chunkBytes = 64 << 20
    /// Rows and columns of a tile of scores, which stays in the second-level cache until its maxima are known.
    private static let tileRows = 256
    private static let tileColumns = 512

    /// Tokens of a chunk: all chunks but the last have as many, and the last nearly.
    static func rows(tokens: Int, vocabulary: Int) -> Int {
        let most = max(chunkBytes / 4 / max(vocabulary, 1), 16)
        let chunks = (tokens + most - 1) / most
        return min((((tokens + chunks - 1) / max(chunks, 1)) + 15) / 16 * 16, tokens)
    }

    private var tilesAcross: Int { (vocabulary + Self.tileColumns - 1) / Self.tileColumns }

    /// Scores, their maxima by tile, statistics, factors, and the hidden rows scaled by the factors.
    func scratchCount(rows: Int) -> Int { rows * (vocabulary + tilesAcross + 3 + 1 + columns) }

    /// Computes the scores of some tokens and replaces them by their exponentials relative to the row's maximum.
    func forward(
        _ rows: Range<Int>, scratch: UnsafeMutablePointer<Float>, capacity: Int, reduction: (any SoftmaxReduction)?
    ) -> CrossEntropyChunk {
        let scores = scratch
        let maxima = scores + capacity * vocabulary
        let statistics = maxima + capacity * tilesAcross
        let factors = statistics + capacity * 3
        let scaledHidden = factors + capacity
        let across = tilesAcross
        let down = (rows.count + Self.tileRows - 1) / Self.tileRows

        pool.forEachTile(down * across) { tile, _ in
            let firstTileRow = tile / across * Self.tileRows
            let firstColumn = tile % across * Self.tileColumns
            let tileRows = min(Self.tileRows, rows.count - firstTileRow)
            let tileColumns = min(Self.tileColumns, vocabulary - firstColumn)
            BLAS.multiply(
                m: tileRows, n: tileColumns, k: columns,
                BLAS.Factor(hidden + (rows.lowerBound + firstTileRow) * columns, stride: columns),
                BLAS.Factor(weight + firstColumn * columns, stride: columns, isTransposed: true),
                into: scores + firstTileRow * vocabulary + firstColumn, stride: vocabulary)
            for row in firstTileRow..<firstTileRow + tileRows {
                maxima[row * across + tile % across] = maximum(
                    scores + row * vocabulary + firstColumn, count: tileColumns)
            }
        }
        pool.forEachRange(rows.count, tileSize: 4) { tileRows, _ in
            for row in tileRows {
                let rowScores = scores + row * vocabulary
                let largest = maximum(maxima + row * across, count: across)
                let target = Int(targets[rows.lowerBound + row]) - firstRow
                statistics[row * 3] = largest
                statistics[row * 3 + 2] = (0..<vocabulary).contains(target) ? rowScores[target] : 0
                statistics[row * 3 + 1] = exponentiate(rowScores, count: vocabulary, minus: largest)
            }
        }
        for row in 0..<rows.count { factors[row] = statistics[row * 3] }
        reduction?.merge(statistics, rows: rows.count)
        for row in 0..<rows.count {
            // The exponentials are relative to this rank's maximum; the sum, by now, to that of the whole vocabulary.
            let shift = exp(factors[row] - statistics[row * 3])
            factors[row] = targets[rows.lowerBound + row] < 0 ? 0 : scale * shift / statistics[row * 3 + 1]
        }
        return CrossEntropyChunk(
            shared: self, rows: rows, exponentials: scores, statistics: statistics, factors: factors,
            scaledHidden: scaledHidden)
    }
}

/// Some tokens whose softmax is known: p = exponential × factor / scale.
private struct CrossEntropyChunk {
    let shared: CrossEntropyChunks
    let rows: Range<Int>
    /// `[rows, V]`
    let exponentials: UnsafeMutablePointer<Float>
    /// `[rows, 3]`: largest score, sum of exponentials, the target's score.
    let statistics: UnsafeMutablePointer<Float>
    /// `[rows]`: turns exponentials into scale × probability; 0 for a token that is left out.
    let factors: UnsafeMutablePointer<Float>
    /// `[rows, C]`, memory for `addWeightGradient`.
    let scaledHidden: UnsafeMutablePointer<Float>

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

    /// dH = scale·(P - onehot)·W: the product runs on the exponentials, factors and targets come after.
    func writeHiddenGradient(into gradient: UnsafeMutablePointer<Float>) {
        let (columns, vocabulary) = (shared.columns, shared.vocabulary)
        // Four tiles across and row tiles of at most 256 keep up to four threads busy with equal shares.
        let tileColumns = max((columns / 4 + 15) / 16 * 16, 16)
        let tileRows = 256
        let across = (columns + tileColumns - 1) / tileColumns
        let down = (rows.count + tileRows - 1) / tileRows
        shared.pool.forEachTile(across * down) { tile, _ in
            let tileRange = tile / across * tileRows..<min((tile / across + 1) * tileRows, rows.count)
            let columnRange = tile % across * tileColumns..<min((tile % across + 1) * tileColumns, columns)
            let output = gradient + (rows.lowerBound + tileRange.lowerBound) * columns + columnRange.lowerBound
            BLAS.multiply(
                m: tileRange.count, n: columnRange.count, k: vocabulary,
                BLAS.Factor(exponentials + tileRange.lowerBound * vocabulary, stride: vocabulary),
                BLAS.Factor(shared.weight + columnRange.lowerBound, stride: columns), into: output, stride: columns)
            for row in tileRange {
                let destination = gradient + (rows.lowerBound + row) * columns
                let factor = factors[row]
                for column in columnRange { destination[column] *= factor }
                guard let target = target(of: row) else { continue }
                let source = shared.weight + target * columns
                for column in columnRange { destination[column] -= shared.scale * source[column] }
            }
        }
    }

    /// dW = scale·(P - onehot)ᵀ·H, added to beta times what is there.
    func addWeightGradient(into gradient: UnsafeMutablePointer<Float>, beta: Float) {
        let (columns, vocabulary) = (shared.columns, shared.vocabulary)
        let hidden = shared.hidden + rows.lowerBound * columns
        shared.pool.forEachRange(rows.count, tileSize: 16) { range, _ in
            for row in range {
                let factor = factors[row]
                for index in row * columns..<(row + 1) * columns { scaledHidden[index] = hidden[index] * factor }
            }
        }
        let tileRows = min(max((vocabulary / 4 + 15) / 16 * 16, 16), 512)
        shared.pool.forEachRange(vocabulary, tileSize: tileRows) { tile, _ in
            BLAS.multiply(
                m: tile.count, n: columns, k: rows.count,
                BLAS.Factor(exponentials + tile.lowerBound, stride: vocabulary, isTransposed: true),
                BLAS.Factor(scaledHidden, stride: columns), beta: beta, into: gradient + tile.lowerBound * columns,
                stride: columns)
            for row in 0..<rows.count {
                guard let target = target(of: row), tile.contains(target) else { continue }
                let (destination, source) = (gradient + target * columns, hidden + row * columns)
                for column in 0..<columns { destination[column] -= shared.scale * source[column] }
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
