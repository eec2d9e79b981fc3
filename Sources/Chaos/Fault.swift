import Numerics

/// One thing that goes wrong.
public enum Fault: Hashable, Sendable {
    /// SIGKILL to a worker, seconds after the run has come back to life.
    case kill(rank: Int, after: Double)
    /// SIGSTOP to a worker: it lives, but nothing of it moves.
    case freeze(rank: Int, after: Double)
    /// SIGKILL to the coordinator.
    case killCoordinator(after: Double)
    /// SIGKILL or SIGSTOP to a worker the moment it comes to a place for the count-th time.
    case point(rank: Int, FaultPoint.Place, count: Int, freezes: Bool)
    /// The newest checkpoint loses its end, or a byte of it flips, and then a worker is killed.
    case damage(truncates: Bool, rank: Int, after: Double)
    /// The run's file system is full for a while.
    case fill(seconds: Double)

    /// Kinds, as the report groups them.
    public enum Kind: String, CaseIterable, Sendable {
        case kill = "worker killed"
        case freeze = "worker frozen"
        case coordinator = "coordinator killed"
        case start = "killed at start-up"
        case load = "killed before loading"
        case step = "killed before a step"
        case collective = "killed in a collective"
        case write = "killed at a write"
        case synchronize = "killed at an fsync"
        case rename = "killed at a rename"
        case frozenPoint = "frozen at a point"
        case damage = "newest checkpoint damaged"
        case fill = "disk full"
    }

    public var kind: Kind {
        switch self {
        case .kill: .kill
        case .freeze: .freeze
        case .killCoordinator: .coordinator
        case .damage: .damage
        case .fill: .fill
        case .point(_, _, _, true): .frozenPoint
        case .point(_, let place, _, false):
            switch place {
            case .start: .start
            case .load: .load
            case .step: .step
            case .collective: .collective
            case .write: .write
            case .synchronize: .synchronize
            case .rename: .rename
            }
        }
    }
}

/// How many faults of which kind a rehearsal has.
public struct ChaosConfiguration: Hashable, Sendable {
    public var kills = 5
    public var freezes = 2
    public var coordinatorKills = 1
    /// Kills and freezes at chosen places: start-up, loading, collectives, writes, fsyncs and renames, in turn.
    public var points = 7
    public var damages = 2
    public var fills = 0
    /// Decides order, ranks, places and moments.
    public var seed: UInt64 = 7
    /// The longest time for which a run is left alone before the next fault, in seconds.
    public var longestQuiet = 3.0

    public init() {}

    public var total: Int { kills + freezes + coordinatorKills + points + damages + fills }

    /// The faults of a rehearsal on a number of ranks: the same for the same seed.
    public func faults(ranks: Int) -> [Fault] {
        var random = SplitMix64(seed: seed)
        func rank() -> Int { Int.random(in: 0..<ranks, using: &random) }
        func quiet() -> Double { Double.random(in: 0...longestQuiet, using: &random) }
        var faults: [Fault] = []
        for _ in 0..<kills { faults.append(.kill(rank: rank(), after: quiet())) }
        for _ in 0..<freezes { faults.append(.freeze(rank: rank(), after: quiet())) }
        for _ in 0..<coordinatorKills { faults.append(.killCoordinator(after: quiet())) }
        for index in 0..<damages { faults.append(.damage(truncates: index % 2 == 0, rank: rank(), after: quiet())) }
        for _ in 0..<fills { faults.append(.fill(seconds: 1 + quiet())) }
        let places = FaultPoint.Place.allCases
        for index in 0..<points {
            let place = places[index % places.count]
            // Every eighth is a freeze, so that each place has one in the end.
            faults.append(
                .point(
                    rank: place == .rename ? 0 : rank(), place, count: Self.count(at: place, &random),
                    freezes: index % (places.count + 1) == places.count))
        }
        return faults.shuffled(using: &random)
    }

    /// A place that is come to often gets a large range: any of its turns may be the one.
    private static func count(at place: FaultPoint.Place, _ random: inout SplitMix64) -> Int {
        switch place {
        case .start, .load: 1
        case .step: Int.random(in: 1...20, using: &random)
        case .collective: Int.random(in: 1...200, using: &random)
        case .write, .synchronize, .rename: Int.random(in: 1...4, using: &random)
        }
    }
}
