import Models
import Parallelism
import Training

/// Trains, flips one bit of one parameter of one rank's copy, and looks whether that is noticed.
func corruptReplica(_ place: Place, rank: Int) {
    let trainer = Trainer(models[0].model, batchSize: models[0].batchSize, on: place)
    let check = ReplicaCheck(trainer.engine)
    for _ in 0..<2 { _ = trainer.step() }
    if place.isFirst { print("compares \(check.comparesAnything)") }
    if let verdict = check.verdict() { place.fail("\(verdict.error(step: 2)), but nothing was changed") }
    place.mesh.world.barrier(label: "before the change")
    let entry = trainer.engine.store.entries[rank % trainer.engine.store.entries.count]
    if place.mesh.world.rank == rank {
        let value = trainer.engine.store.values(of: entry).baseAddress! + entry.range.count / 2
        value.pointee = Float(bitPattern: value.pointee.bitPattern ^ 1)
    }
    place.mesh.world.barrier(label: "after the change")
    let messages = place.mesh.world.gatherToAll(
        Array((check.verdict().map { "\($0.error(step: 2))" } ?? "all the same").utf8), label: "verdicts")
    guard messages.allSatisfy({ $0 == messages[0] }) else { place.fail("ranks disagree") }
    if place.isFirst { print(String(decoding: messages[0], as: UTF8.self)) }
}
