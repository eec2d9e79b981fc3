import Foundation
import Numerics

/// How the next token is chosen from its scores.
public struct TokenSampling: Hashable, Sendable {
    /// Scores are divided by this before the softmax; 0 takes the best token always.
    public var temperature: Float
    /// Only the best `topK` tokens are candidates; 0 for all.
    public var topK: Int
    /// Only the fewest best tokens whose probabilities reach this sum are candidates (Holtzman et al. 2019).
    public var topP: Float
    /// The same seed, prompt and weights give the same text.
    public var seed: UInt64

    public init(temperature: Float = 0.8, topK: Int = 0, topP: Float = 1, seed: UInt64 = 1337) {
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.seed = seed
    }

    /// - Throws: `ApusError` naming the setting that is out of range.
    public func validate() throws {
        func check(_ condition: Bool, _ name: String, _ expected: String, _ found: String) throws {
            guard condition else { throw ApusError("choosing tokens", "\(name) must be \(expected), got \(found)") }
        }
        try check(temperature >= 0 && temperature.isFinite, "temperature", "0 or more", "\(temperature)")
        try check(topK >= 0, "top-k", "0 (all) or more", "\(topK)")
        try check(topP > 0 && topP <= 1, "top-p", "above 0 and at most 1", "\(topP)")
    }

    /// The id of the next token.
    ///
    /// - Parameters:
    ///   - logits: One score a token of the vocabulary.
    ///   - position: Which token of the text this is; with the seed it decides the random draw.
    public func choose(_ logits: UnsafeBufferPointer<Float>, position: Int) -> Int32 {
        if temperature == 0 { return Int32(Self.indexOfMaximum(logits)) }
        let candidates = candidates(logits)
        let draw = CounterRandom(seed: seed, name: "sampling").uniform(at: position)
        var remaining = Double(draw) * candidates.reduce(0) { $0 + $1.probability }
        for candidate in candidates {
            remaining -= candidate.probability
            if remaining < 0 { return Int32(candidate.id) }
        }
        return Int32(candidates[candidates.count - 1].id)
    }

    /// Candidates, best first, with their probabilities among the whole vocabulary.
    private func candidates(_ logits: UnsafeBufferPointer<Float>) -> [(id: Int, probability: Double)] {
        let maximum = logits[Self.indexOfMaximum(logits)]
        var sum = 0.0
        var candidates = logits.indices.map { id in
            let weight = Foundation.exp(Double((logits[id] - maximum) / temperature))
            sum += weight
            return (id: id, probability: weight)
        }
        guard topK > 0 || topP < 1 else { return candidates.map { ($0.id, $0.probability / sum) } }
        // Ties fall to the lower id, so that the choice does not depend on the sorting algorithm.
        candidates.sort { ($0.probability, $1.id) > ($1.probability, $0.id) }
        if topK > 0 { candidates.removeLast(max(candidates.count - topK, 0)) }
        sum = candidates.reduce(0) { $0 + $1.probability }
        var kept = 0
        var reached = 0.0
        while kept < candidates.count, kept == 0 || reached < Double(topP) {
            reached += candidates[kept].probability / sum
            kept += 1
        }
        return candidates[..<kept].map { ($0.id, $0.probability / sum) }
    }

    private static func indexOfMaximum(_ logits: UnsafeBufferPointer<Float>) -> Int {
        logits.indices.reduce(0) { logits[$1] > logits[$0] ? $1 : $0 }
    }
}
