/// What a rank can be doing together with other ranks.
public enum CollectiveKind: UInt8, CaseIterable, Sendable, CustomStringConvertible {
    case allReduce
    case reduceScatter
    case allGather
    case broadcast
    case allToAll
    case send
    case receive
    case gatherToAll
    case barrier
    case split
    case allocate

    public var description: String { "\(name)" }

    var name: StaticString {
        switch self {
        case .allReduce: "all-reduce"
        case .reduceScatter: "reduce-scatter"
        case .allGather: "all-gather"
        case .broadcast: "broadcast"
        case .allToAll: "all-to-all"
        case .send: "send"
        case .receive: "receive"
        case .gatherToAll: "gather-to-all"
        case .barrier: "barrier"
        case .split: "split"
        case .allocate: "allocate"
        }
    }
}
