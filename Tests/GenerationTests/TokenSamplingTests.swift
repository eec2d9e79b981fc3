import Foundation
import Generation
import Numerics
import Testing

@Suite struct TokenSamplingTests {
    private let logits: [Float] = [0, 2, 1, -1, 2.5]

    private func choices(_ sampling: TokenSampling, count: Int = 4_000) -> [Int32] {
        logits.withUnsafeBufferPointer { logits in (0..<count).map { sampling.choose(logits, position: $0) } }
    }

    @Test(arguments: [
        TokenSampling(temperature: 0), TokenSampling(temperature: 1, topK: 1),
        TokenSampling(temperature: 1, topP: 0.01),
        TokenSampling(temperature: 0.001),
    ])
    func narrowSettingsTakeTheBest(_ sampling: TokenSampling) {
        #expect(choices(sampling, count: 200).allSatisfy { $0 == 4 })
    }

    @Test(arguments: [Float(1), 0.5, 2])
    func frequenciesFollowTheSoftmax(_ temperature: Float) {
        let found = choices(TokenSampling(temperature: temperature, seed: 9))
        let weights = logits.map { exp(Double($0 / temperature)) }
        for (id, weight) in weights.enumerated() {
            let expected = weight / weights.reduce(0, +)
            let frequency = Double(found.count { $0 == Int32(id) }) / Double(found.count)
            // Four standard deviations of a frequency over 4,000 draws are at most 0.032.
            #expect(abs(frequency - expected) < 0.032)
        }
    }

    @Test func topKLeavesOutTheRest() {
        #expect(Set(choices(TokenSampling(temperature: 2, topK: 3))) == [1, 2, 4])
    }

    @Test func topPKeepsTheFewestThatReachIt() {
        // Probabilities: 4: 0.503, 1: 0.305, 2: 0.112, 0: 0.041, 3: 0.015 of the whole.
        #expect(Set(choices(TokenSampling(temperature: 1, topP: 0.75))) == [1, 4])
        #expect(Set(choices(TokenSampling(temperature: 1, topP: 0.9))) == [1, 2, 4])
    }

    @Test func theSeedDecides() {
        #expect(choices(TokenSampling(seed: 1)) == choices(TokenSampling(seed: 1)))
        #expect(choices(TokenSampling(seed: 1)) != choices(TokenSampling(seed: 2)))
    }

    @Test(arguments: [
        TokenSampling(temperature: -1), TokenSampling(temperature: .nan), TokenSampling(topK: -2),
        TokenSampling(topP: 0), TokenSampling(topP: 1.5),
    ])
    func settingsOutOfRangeAreNamed(_ sampling: TokenSampling) {
        #expect(throws: ApusError.self) { try sampling.validate() }
    }
}
