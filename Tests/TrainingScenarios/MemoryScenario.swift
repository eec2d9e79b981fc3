import Models

/// Trains for a step on sequences that are long beside the model, so that activations are what takes memory.
func measureMemory(_ place: Place) {
    let model = ModelConfiguration(
        architecture: .llama, layers: 4, hiddenSize: 128, heads: 4, contextLength: 2_048, vocabularySize: 64)
    let trainer = Trainer(model, batchSize: 1, on: place)
    _ = trainer.step()
    var bytes = [Int64(trainer.engine.tape.arena.peakBytesInUse)]
    bytes.withUnsafeMutableBufferPointer { place.mesh.world.allReduce($0, .max, label: "memory") }
    if place.isFirst { print("activations: \(bytes[0]) bytes") }
}
