import Models

/// What a training run ended with.
private struct Outcome {
    var losses: [Double] = []
    var values: [UInt32] = []
    var gradients: [UInt32] = []
    /// Bytes of activations, their gradients and scratch memory.
    var peakBytes = 0
}

func compareRecomputations(_ place: Place) {
    for (name, model, batchSize) in models {
        let outcomes = Recomputation.allCases.map { train(model, batchSize: batchSize, $0, place) }
        let kept = outcomes[0]
        for (recomputation, outcome) in zip(Recomputation.allCases, outcomes) {
            guard outcome.losses == kept.losses, outcome.gradients == kept.gradients, outcome.values == kept.values
            else { place.fail("\(name): with recomputation \(recomputation) the bits differ from those without") }
        }
        guard place.isFirst else { continue }
        let bytes = outcomes.map { String($0.peakBytes) }.joined(separator: " ")
        print("\(name): checksum \(checksum(kept.gradients + kept.values)), bytes \(bytes)")
    }
}

private func train(
    _ model: ModelConfiguration, batchSize: Int, _ recomputation: Recomputation, _ place: Place
) -> Outcome {
    let trainer = Trainer(model, batchSize: batchSize, recomputation: recomputation, on: place)
    var outcome = Outcome()
    for _ in 0..<3 { outcome.losses.append(trainer.step()) }
    outcome.values = trainer.engine.store.values.map(\.bitPattern)
    // Cache lines that pad the buffer are never written.
    for entry in trainer.engine.store.entries {
        outcome.gradients += trainer.engine.store.gradients[entry.range].map(\.bitPattern)
    }
    outcome.peakBytes = trainer.engine.tape.arena.peakBytesInUse
    return outcome
}

/// FNV-1a over words.
private func checksum(_ words: [UInt32]) -> String {
    let hash = words.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    return String(hash, radix: 16)
}
