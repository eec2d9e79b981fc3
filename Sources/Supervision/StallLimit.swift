/// How long a worker may go without any progress before it counts as hanging: learned from the run itself.
///
/// Progress is a new collective, a new step or a new phase. The limit of a phase is a multiple of the longest time that
/// the phase has gone without progress and then went on, between a floor and a ceiling. A phase that nothing is known of,
/// such as the first evaluation, gets the ceiling.
public struct StallLimit: Hashable, Sendable {
    public var floor: Duration
    public var ceiling: Duration
    private var longest: [WorkerPhase: Duration] = [:]
    private var observations: [WorkerPhase: Int] = [:]

    private static let factor = 10
    /// A first step takes longer than others; a phase is known when it has made progress this often.
    private static let enough = 8

    public init(floor: Duration, ceiling: Duration) {
        self.floor = floor
        self.ceiling = max(floor, ceiling)
    }

    /// A worker made progress after this time without any.
    mutating func observe(_ time: Duration, in phase: WorkerPhase) {
        longest[phase] = max(longest[phase] ?? .zero, time)
        observations[phase, default: 0] += 1
    }

    public func limit(in phase: WorkerPhase) -> Duration {
        guard let longest = longest[phase], observations[phase, default: 0] >= Self.enough else { return ceiling }
        return min(max(longest * Self.factor, floor), ceiling)
    }
}
