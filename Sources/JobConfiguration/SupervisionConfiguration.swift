/// What the coordinator does about workers that die or hang.
public struct SupervisionConfiguration: Hashable, Sendable {
    /// How often the workers are started again after a failure; 0 ends the run with the first.
    public var maxRestarts = 10
    /// Seconds before the first restart; doubled with each that brings no new checkpoint, up to a minute.
    public var backoffSeconds: Float = 1
    /// Seconds without any sign of life, or without progress however fast the run is, that are never too long.
    public var stallFloorSeconds: Float = 10
    /// Seconds without progress that are always too long.
    public var stallCeilingSeconds: Float = 600
    /// So many failures in a row without a new checkpoint between them end the run: the next would be the same.
    public var failuresWithoutProgress = 3
    /// Whether a restart may use fewer data-parallel ranks where hosts or slots are gone, and more again later.
    public var elastic = false

    public init() {}
}

extension SupervisionConfiguration: Section {
    static var fields: [Field<SupervisionConfiguration>] {
        [
            .integer(
                "maxRestarts", \.maxRestarts, 0...1_000_000,
                "how often the workers are started again after a failure; 0 for never"),
            .number(
                "backoffSeconds", \.backoffSeconds, .notNegative,
                "the seconds before the first restart; doubled with each that brings no new checkpoint"),
            .number(
                "stallFloorSeconds", \.stallFloorSeconds, .positive,
                "the seconds without progress or sign of life that are never too long"),
            .number(
                "stallCeilingSeconds", \.stallCeilingSeconds, .positive,
                "the seconds without progress that are always too long"),
            .integer(
                "failuresWithoutProgress", \.failuresWithoutProgress, 1...1_000_000,
                "the number of failures in a row without a new checkpoint that end the run"),
            .boolean(
                "elastic", \.elastic,
                "whether a restart may use fewer data-parallel ranks where hosts or slots are gone"),
        ]
    }
}
