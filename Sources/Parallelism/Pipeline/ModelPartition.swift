import Models

/// A model cut into consecutive parts of nearly the same cost.
///
/// Each part has at least one block; the first has the embeddings besides, the last the output projection, and so fewer
/// blocks where that weighs much. Among the cuts with the cheapest dearest part, the most even one is taken.
public struct ModelPartition: Sendable {
    public let parts: [DecoderPart]
    /// Operations of a training step for each token of a micro-batch, part by part.
    public let costs: [Double]

    /// - Parameters:
    ///   - count: At most as many as there are blocks.
    ///   - sequenceLength: Tokens that attention looks over.
    public init(_ decoder: Decoder, parts count: Int, sequenceLength: Int) {
        let model = decoder.configuration
        precondition((1...model.layers).contains(count), "\(model.layers) blocks cannot make \(count) parts")
        let parameterCounts = decoder.declarations.stacks.map { $0.reduce(0) { $0 + $1.count } }
        let attention = 6 * Double(model.hiddenSize * sequenceLength)
        let blocks = (0..<model.layers).map { block in
            let part = DecoderPart(embeds: false, blocks: block..<block + 1, predicts: false)
            return 6 * Double(decoder.parameters(of: part).reduce(0) { $0 + parameterCounts[$1.index] }) + attention
        }
        let embedding = Double(5 * model.hiddenSize * MemoryLayout<Float>.stride) * Self.operationsPerByte
        let head = 6 * Double(model.vocabularySize * model.hiddenSize)
        let ends = Self.cut(blocks, into: count, first: embedding, last: head)
        let starts = [0] + ends.dropLast()
        parts = zip(starts, ends).map { start, end in
            DecoderPart(embeds: start == 0, blocks: start..<end, predicts: end == model.layers)
        }
        costs = parts.map { part in
            blocks[part.blocks].reduce(0, +) + (part.embeds ? embedding : 0) + (part.predicts ? head : 0)
        }
    }

    /// What a core computes in the time in which it moves a byte: embeddings move bytes and compute nothing. They read
    /// and write a token's row forwards, and read it twice and write it backwards.
    private static let operationsPerByte = 16.0

    /// Where each of `count` runs of `costs` ends.
    package static func cut(_ costs: [Double], into count: Int, first: Double, last: Double) -> [Int] {
        struct Cut {
            var dearest = Double.infinity
            var squares = Double.infinity
            var ends: [Int] = []

            func isBetter(than other: Cut) -> Bool { (dearest, squares) < (other.dearest, other.squares) }
        }
        var sums = [0.0]
        for cost in costs { sums.append(sums.last! + cost) }
        func cost(_ start: Int, _ end: Int) -> Double {
            sums[end] - sums[start] + (start == 0 ? first : 0) + (end == costs.count ? last : 0)
        }
        // best[end]: the first runs, of blocks 0..<end.
        var best = [Cut](repeating: Cut(), count: costs.count + 1)
        best[0] = Cut(dearest: 0, squares: 0)
        for run in 1...count {
            var next = [Cut](repeating: Cut(), count: costs.count + 1)
            for end in run...(costs.count - (count - run)) {
                for start in (run - 1)..<end where best[start].dearest < .infinity {
                    let own = cost(start, end)
                    let cut = Cut(
                        dearest: max(best[start].dearest, own), squares: best[start].squares + own * own,
                        ends: best[start].ends + [end])
                    if cut.isBetter(than: next[end]) { next[end] = cut }
                }
            }
            best = next
        }
        return best[costs.count].ends
    }

    /// What the stages of a pipeline of these parts take for a micro-batch, in units of their mean: gradients of activations
    /// and of weights take as long as the forward pass each.
    public func stageCosts(_ shape: PipelineShape) -> [PipelineCosts] {
        let costs = (0..<shape.stages).map { stage in shape.parts(of: stage).reduce(0) { $0 + self.costs[$1] } }
        let mean = costs.reduce(0, +) / Double(shape.stages)
        return costs.map {
            PipelineCosts(forward: $0 / mean, backwardInput: $0 / mean, backwardWeight: $0 / mean)
        }
    }

    /// For each declared stack of parameters the stages that hold it, ascending: two of them where the embedding is the
    /// output projection too.
    public func holders(of decoder: Decoder, stages: Int) -> [[Int]] {
        var holders = decoder.declarations.stacks.map { _ in [Int]() }
        for stage in 0..<stages {
            let held = stride(from: stage, to: parts.count, by: stages).flatMap { decoder.parameters(of: parts[$0]) }
            for stack in Set(held.map(\.index)) { holders[stack].append(stage) }
        }
        return holders
    }
}

/// The parameters of a rank's part of the model.
public struct HeldParameters: Hashable, Sendable {
    /// For each declared stack the stages that hold it.
    private let holders: [[Int]]
    private let stage: Int

    /// - Parameter holders: See `ModelPartition.holders`.
    public init(_ holders: [[Int]], stage: Int) {
        self.holders = holders
        self.stage = stage
    }

    func contains(stack: Int) -> Bool { holders[stack].contains(stage) }

    /// Whether a stage before this one holds it too, and answers for it: writes it to checkpoints, counts it in norms.
    func isCopy(stack: Int) -> Bool { holders[stack].first.map { $0 < stage } ?? false }

    /// The other stage that holds a stack.
    func peer(stack: Int) -> Int? { contains(stack: stack) ? holders[stack].first { $0 != stage } : nil }
}
