/// How often each collective ran on a communicator, and over how many bytes.
///
/// Bytes are those of the buffers this rank passed in, not those that travelled: they are the same for every
/// implementation and group size, and what a plan predicts. A group of one exchanges nothing and counts nothing.
public struct CommunicationVolume: Hashable, Sendable {
    public struct Tally: Hashable, Sendable {
        public var calls = 0
        public var bytes = 0
    }

    private var tallies = [Tally](repeating: Tally(), count: CollectiveKind.allCases.count)

    public init() {}

    public subscript(kind: CollectiveKind) -> Tally { tallies[Int(kind.rawValue)] }

    /// All kinds together.
    public var total: Tally {
        tallies.reduce(into: Tally()) {
            $0.calls += $1.calls
            $0.bytes += $1.bytes
        }
    }

    /// What came on top of an earlier reading of the same communicator.
    public func since(_ earlier: CommunicationVolume) -> CommunicationVolume {
        var difference = self
        for index in tallies.indices {
            difference.tallies[index].calls -= earlier.tallies[index].calls
            difference.tallies[index].bytes -= earlier.tallies[index].bytes
        }
        return difference
    }

    func adding(_ other: CommunicationVolume) -> CommunicationVolume {
        var sum = self
        for index in tallies.indices {
            sum.tallies[index].calls += other.tallies[index].calls
            sum.tallies[index].bytes += other.tallies[index].bytes
        }
        return sum
    }

    mutating func count(_ kind: CollectiveKind, bytes: Int) {
        tallies[Int(kind.rawValue)].calls += 1
        tallies[Int(kind.rawValue)].bytes += bytes
    }
}

extension Communicator {
    /// A communicator that does not count, like one that a test makes, has exchanged nothing.
    public var volume: CommunicationVolume { CommunicationVolume() }
}
