import Chaos
import Testing

@Suite struct ChaosConfigurationTests {
    @Test func theSameSeedGivesTheSameFaults() {
        var configuration = ChaosConfiguration()
        configuration.points = 24
        let faults = configuration.faults(ranks: 4)
        #expect(faults == configuration.faults(ranks: 4))
        #expect(faults.count == configuration.total)
        configuration.seed += 1
        #expect(faults != configuration.faults(ranks: 4))
    }

    @Test func pointsComeToEveryPlace() {
        var configuration = ChaosConfiguration()
        configuration.points = 24
        let kinds = Set(configuration.faults(ranks: 2).map(\.kind))
        #expect(
            kinds.isSuperset(of: [
                .start, .load, .step, .collective, .write, .synchronize, .rename, .frozenPoint, .kill, .freeze,
                .coordinator, .damage,
            ]))
        #expect(!kinds.contains(.fill))
    }
}
